"""What a file of an archive is."""

import os

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from components.image_example_gen.decoding.dicom.objects import Found, examine
from tests.components.image_example_gen.decoding.dicom.made_dicom import (
    file_of,
    make,
    ramp,
    without,
)

NAMES = ("PatientID", "NumberOfFrames")
OBJECTS = {
    "1.2.840.10008.5.1.4.1.1.88.11": "Basic Text SR Storage",
    "1.2.840.10008.5.1.4.1.1.88.59": "Key Object Selection Document Storage",
    "1.2.840.10008.5.1.4.1.1.11.1": "Grayscale Softcopy Presentation State Storage",
    "1.2.840.10008.5.1.4.1.1.104.1": "Encapsulated PDF Storage",
    "1.2.840.10008.5.1.4.1.1.481.3": "RT Structure Set Storage",
    "1.2.840.10008.5.1.4.1.1.66": "Raw Data Storage",
    "1.2.3.4.5": "another class of objects",
}
SHOWN = ("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
         "SamplesPerPixel", "PhotometricInterpretation", "PixelData")  # fmt: skip


def _written(path, made):
    path.write_bytes(file_of(made).getvalue())
    return str(path)


def _object(uid, values=None):
    made = make(ramp(np.uint8, 0, 255) if values is None else values)
    made.SOPClassUID = uid
    made.PatientID = "MRN-1"
    return made


@pytest.mark.parametrize("uid", OBJECTS)
@pytest.mark.parametrize("name", ["I0001", "I0001.dcm"])
def test_objects_without_pixels_are_no_broken_images(tmp_path, uid, name):
    path = _written(tmp_path / name, without(_object(uid), *SHOWN))
    assert examine(path, NAMES).skipped == f"no_image: {OBJECTS[uid]}"


@pytest.mark.parametrize(
    ("uid", "name"),
    [
        ("1.2.840.10008.5.1.4.1.1.66.4", "Segmentation Storage"),
        ("1.2.840.10008.5.1.4.1.1.481.2", "RT Dose Storage"),
    ],
)
def test_what_was_computed_on_images_is_none(tmp_path, uid, name):
    path = _written(tmp_path / "I0001", _object(uid))
    assert examine(path, NAMES).skipped == f"no_image: {name}"


@pytest.mark.parametrize(
    "uid", ["1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.5.1.4.1.1.2", "1.2.3.4.5", None]
)
def test_images_of_any_class(tmp_path, uid):
    found = examine(_written(tmp_path / "I0001", _object(uid)), NAMES)
    assert (found.skipped, found.frames, found.tags.PatientID) == ("", 1, "MRN-1")


def test_a_directory_under_another_name(tmp_path):
    made = without(_object(None), *SHOWN)
    made.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    found = examine(_written(tmp_path / "INDEX", made), NAMES)
    assert found.skipped == "no_image: Media Storage Directory Storage"


def test_an_image_that_lost_its_size_is_broken_and_not_skipped(tmp_path):
    made = without(_object("1.2.840.10008.5.1.4.1.1.1.1"), "Rows")
    assert examine(_written(tmp_path / "I0001", made), NAMES).skipped == ""


@pytest.mark.parametrize("name", ["test-SR.dcm", "rtplan.dcm", "rtstruct.dcm", "waveform_ecg.dcm"])
def test_real_objects_without_pixels(name):
    assert examine(get_testdata_file(name), NAMES).skipped.startswith("no_image: ")


@pytest.mark.parametrize("name", ["MR_small.dcm", "MR_small_bigendian.dcm", "examples_palette.dcm"])
def test_real_images(name):
    assert examine(get_testdata_file(name), NAMES).skipped == ""


def test_other_files_are_told_apart(tmp_path):
    (tmp_path / "README").write_text("how these were exported " * 20)
    (tmp_path / "labels.csv").write_text("PatientID,label\n" * 30)
    Image.fromarray(ramp(np.uint8, 0, 255)).save(tmp_path / "scan.tif")
    (tmp_path / "notes.txt").touch()
    (tmp_path / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    kinds = {path.name: examine(str(path), NAMES).skipped for path in tmp_path.iterdir()}
    others = dict.fromkeys(("README", "labels.csv", "scan.tif", "notes.txt"), "not_dicom")
    assert kinds == others | {"DICOMDIR": "dicomdir"}


def test_files_that_should_be_images_are_left_to_the_quarantine(tmp_path):
    (tmp_path / "page.dcm").write_text("<html>not found</html>" * 20)
    (tmp_path / "empty.dcm").touch()
    # Archives name images without a suffix.
    (tmp_path / "I0001").touch()
    (tmp_path / "1").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 40)
    assert {examine(str(path), NAMES).skipped for path in tmp_path.iterdir()} == {""}
    assert examine(str(tmp_path / "missing"), NAMES).skipped == ""


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_files_from_before_there_was_a_mark(tmp_path, syntax):
    made = make(ramp(np.uint8, 0, 255), syntax, PatientID="MRN-1")
    made.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    whole = tmp_path / "whole"
    pydicom.dcmwrite(whole, made)
    data = whole.read_bytes()
    bare = tmp_path / "I0001"
    bare.write_bytes(data[data.index(b"\x08\x00\x16\x00") :])
    found = examine(str(bare), NAMES)
    assert (found.skipped, found.tags.PatientID) == ("", "MRN-1")


@pytest.mark.parametrize(("stated", "frames"), [(2, 2), (9, 3), (3, 3), (0, 1), ("x", 1)])
def test_frames_are_those_that_are_there(tmp_path, stated, frames):
    made = make(np.stack([ramp()] * 3), frames=3)
    del made.NumberOfFrames
    made.add_new("NumberOfFrames", "LO", str(stated))
    assert examine(_written(tmp_path / "I0001", made), NAMES).frames == frames


@pytest.mark.parametrize(
    ("frames", "which", "chosen"),
    [
        (5, "all", [0, 1, 2, 3, 4]),
        (5, "first", [0]),
        (5, "middle", [2]),
        (4, "middle", [2]),
        (1, "all", [0]),
        (1, "middle", [0]),
        (0, "all", [0]),  # a header that is wrong: decoding will tell
    ],
)
def test_the_frames_that_a_setting_selects(frames, which, chosen):
    assert list(Found("", frames=frames).chosen_frames(which)) == chosen


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.dcm")
    found = examine(str(tmp_path / "pipe.dcm"), ())
    assert (found.skipped, found.tags) == ("", None)
