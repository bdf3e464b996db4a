"""Synthetic data sets in general formats: class folders, records, TFDS, DICOM."""

import io
import logging

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage


@pytest.fixture
def folders(tmp_path, write_image):
    """Class folders below split folders, as in the Kermany chest films."""
    for seed, name in enumerate(
        [
            "train/NORMAL/IM-0115-0001.jpeg",
            "train/PNEUMONIA/person1_bacteria_1.jpeg",
            "train/PNEUMONIA/person1_bacteria_2.jpeg",
            "val/NORMAL/NORMAL2-IM-1427-0001.jpeg",
            "test/PNEUMONIA/deep/person3_virus_15.jpeg",
            "test/NORMAL/IM-0001-0001.jpeg",
        ]
    ):
        write_image(tmp_path / "chest_xray" / name, 400 + seed)
    (tmp_path / "chest_xray/train/NORMAL/.DS_Store").write_bytes(b"x")
    (tmp_path / "chest_xray/.cache").mkdir()
    return tmp_path / "chest_xray"


def encoded_png(seed, size=(12, 10)):
    buffer = io.BytesIO()
    values = np.random.default_rng(seed).integers(0, 256, size[::-1], dtype=np.uint8)
    Image.fromarray(values).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def write_examples():
    """Writes tf.Examples with TensorFlow's own writer."""
    import tensorflow as tf

    def write(path, records, compression=""):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tf.io.TFRecordWriter(str(path), compression) as writer:
            for record in records:
                example = tf.train.Example()
                for name, values in record.items():
                    feature = example.features.feature[name]
                    for value in values if isinstance(values, list) else [values]:
                        if isinstance(value, bytes):
                            feature.bytes_list.value.append(value)
                        elif isinstance(value, float):
                            feature.float_list.value.append(value)
                        else:
                            feature.int64_list.value.append(value)
                writer.write(example.SerializeToString())

    return write


@pytest.fixture
def foreign(tmp_path, write_examples):
    """Records that someone else wrote, plain and packed."""
    root = tmp_path / "records"
    for compression, split in (("", "train"), ("GZIP", "test")):
        records = [
            {
                "image": encoded_png(number),
                "subject": f"s{number // 2}".encode(),
                "image/class/label": number % 2,
                "meta/age": 40.0 + number,
            }
            for number in range(4)
        ]
        write_examples(root / f"{split}-00000.tfrecord", records, compression)
    return root


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """Two data sets in one data_dir, written by TensorFlow Datasets itself.

    Not registered: only the files tell of them, and two folders of tests may make them.
    """
    import tensorflow_datasets as tfds

    logging.getLogger("absl").setLevel(logging.ERROR)
    rng = np.random.default_rng(0)

    class TinyPets(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        """One class an image, and whose pet it is."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(None, None, 3)),
                    "label": tfds.features.ClassLabel(names=["cat", "Small Dog"]),
                    "owner": tfds.features.Text(),
                }
            )
            return tfds.core.DatasetInfo(
                builder=self, features=features, supervised_keys=("image", "label")
            )

        def _split_generators(self, manager):
            return {name: self._generate_examples(name, n) for name, n in self.sizes.items()}

        sizes = {"train": 4, "test": 2}  # noqa: RUF012

        def _generate_examples(self, name, count):
            for number in range(count):
                image = rng.integers(0, 256, (10, 12, 3), dtype=np.uint8)
                owner = f"{name}{number // 2}"
                yield number, {"image": image, "label": number % 2, "owner": owner}

    class TinyFindings(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        """Several classes an image, numbered classes, and a split of one's own."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            classes = tfds.features.ClassLabel(names=["edema", "mass", "nodule"])
            features = tfds.features.FeaturesDict(
                {
                    "scan": tfds.features.Image(shape=(10, 12, 1)),
                    "findings": tfds.features.Sequence(classes),
                    "target": tfds.features.ClassLabel(num_classes=2),
                }
            )
            return tfds.core.DatasetInfo(builder=self, features=features)

        def _split_generators(self, manager):
            return {"pool": self._generate_examples()}

        def _generate_examples(self):
            for number, findings in enumerate([["edema"], [], ["mass", "edema"]]):
                image = np.full((10, 12, 1), number, np.uint8)
                yield number, {"scan": image, "findings": findings, "target": number % 2}

    folder = tmp_path_factory.mktemp("tfds")
    for builder in (TinyPets, TinyFindings):
        builder(data_dir=str(folder)).download_and_prepare()
    return folder


DICOM_TABLE = """\
SOPInstanceUID,effusion,split,site
1.2.3.1,1,train,north
1.2.3.2,0,train,
1.2.3.3,-1,test,south
1.2.3.99,1,test,south
"""


def write_dicom(path, number, frames=1, **tags):
    rng = np.random.default_rng(number)
    values = rng.integers(0, 256, (frames, 10, 12), dtype=np.uint8)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPInstanceUID, dataset.StudyInstanceUID = f"1.2.3.{number}", f"1.2.{number}"
    dataset.PatientID = f"MRN-{number}9"
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = 10, 12, 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.PixelRepresentation = 0
    if frames > 1:
        dataset.NumberOfFrames = frames
    for name, value in tags.items():
        setattr(dataset, name, value)
    dataset.PixelData = values.tobytes()
    dataset["PixelData"].VR = "OB"
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    return values


@pytest.fixture
def archive(tmp_path):
    """A PACS export: files without suffix in nested folders, a DICOMDIR, a report, a stray text."""
    root = tmp_path / "archive"
    person = {"PatientName": "Roe^Jane", "PatientID": "MRN-1", "PatientSex": "F"}
    write_dicom(root / "S1/I0", 1, **person, PatientAge="093Y", ViewPosition="PA")
    write_dicom(root / "S1/I1.dcm", 2, frames=3, **person, BurnedInAnnotation="YES")
    write_dicom(root / "S2/I0", 3, PatientID="MRN-2", PatientAge="044Y", BurnedInAnnotation="NO")
    (root / "DICOMDIR").write_bytes(b"x")
    (root / "S2/readme.txt").write_text("hello")
    (root / "labels.csv").write_text(DICOM_TABLE)
    return root
