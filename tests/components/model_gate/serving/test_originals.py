"""Which original files the serving check gets, and what it says of those that it can't have."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from components.image_example_gen.decoding import images
from components.image_example_gen.settings import DataSettings
from components.model_gate.serving import originals
from components.model_gate.serving.originals import original_files
from pipeline.graph.trainer_config import ingestion_of
from schemas.documents.ingest import IngestReport
from tests.components.image_example_gen.decoding.dicom.made_dicom import file_of, make
from tests.made_documents import classifier_card, ingest_report
from trainer_modules.settings import TaskSettings

TASK = TaskSettings(labels=("edema",))
ROWS = 30
KINDS = ("png", "jpg", "exif.jpg", "deep.png", "dcm")
FORMATS = ("PNG gray", "JPEG gray", "JPEG gray", "PNG gray", "DICOM gray")


def content(number: int) -> bytes:
    """An image file; its kind goes by its number."""
    pixels = np.random.default_rng(number).integers(0, 255, (20, 24), np.uint8)
    kind, buffer = KINDS[number % len(KINDS)], io.BytesIO()
    if kind == "dcm":
        return file_of(make(pixels)).getvalue()
    if kind == "deep.png":
        Image.fromarray(pixels.astype(np.uint16) * 16).save(buffer, "PNG")
    elif kind == "exif.jpg":
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.fromarray(pixels).save(buffer, "JPEG", exif=exif)
    else:
        Image.fromarray(pixels).save(buffer, "JPEG" if kind == "jpg" else "PNG")
    return buffer.getvalue()


@pytest.fixture
def ingested(tmp_path):
    """Data, model and ingest report, as a run leaves them: rows 1 to 10 were trained on."""
    data, report, model = (tmp_path / name for name in ("data", "report", "model"))
    data.mkdir()
    lines, index = ["image,patient_id,edema"], {"train": [], "test": [], "shifted": []}
    for number in range(ROWS):
        name = f"{number}.{KINDS[number % len(KINDS)]}"
        (data / name).write_bytes(content(number))
        lines.append(f"{name},p{number},{number % 2}")
        split = ("train", "test", "shifted")[number // 10]
        digest = images.store(
            images.read_file(str(data / name), 10**6).pixels, 16, "png", 95
        ).digest
        index[split].append(
            {
                "row": number + 1,
                "image_id": f"id{number}",
                "digest": digest,
                "file_format": FORMATS[number % len(KINDS)],
            }
        )
    (data / "manifest.csv").write_text("\n".join(lines) + "\n")
    settings = DataSettings(source="manifest", root=str(data), stored_size=16)
    found = ingest_report({"test": [1.0]}).model_copy(update={"folders": (str(data),)})
    found.write(report)
    for split, rows in index.items():
        pq.write_table(pa.Table.from_pylist(rows), report / f"index-{split}-00000-of-00001.parquet")
    card = classifier_card(["edema"]).model_copy(update={"ingestion": ingestion_of(settings)})
    card.write(model)
    return data, str(report), str(model)


def test_some_of_each_format_of_what_is_judged(ingested):
    data, report, model = ingested
    found = original_files(model, report, TASK, per_format=3)
    assert found.note == ""
    kinds = [request.kind for request in found.requests.values()]
    expected = {
        name + {2: " with EXIF", 3: " of 16 bits"}.get(n, "") for n, name in enumerate(FORMATS)
    }
    assert sorted(kinds) == sorted([*expected] * 3)
    for name, request in found.requests.items():
        number = int(name.removeprefix("id"))
        assert number >= 10
        assert request.image == (data / f"{number}.{KINDS[number % len(KINDS)]}").read_bytes()
        stored = np.asarray(Image.open(io.BytesIO(request.stored)))
        assert max(stored.shape) == 16
    turned = found.requests["id12"].stored
    assert Image.open(io.BytesIO(turned)).size == (13, 16)


def test_files_that_are_gone_or_others_now_are_told_and_not_tried(ingested):
    data, report, model = ingested
    (data / "10.png").unlink()
    (data / "11.jpg").write_bytes(content(16))
    (data / "12.exif.jpg").write_bytes(b"damaged")
    found = original_files(model, report, TASK, 16)
    assert found.note == " (files gone: 1, changed since ingestion: 2)"
    assert len(found.requests) == 20 - 3


def test_no_data_here_and_cards_of_earlier_versions(ingested, tmp_path):
    data, report, model = ingested
    data.rename(tmp_path / "elsewhere")
    found = original_files(model, report, TASK, 16)
    assert not found.requests
    assert "the original files can't be read: " in found.note
    classifier_card(["edema"]).write(model)
    found = original_files(model, report, TASK, 16)
    assert (found.requests, "does not say how files are read" in found.note) == ({}, True)


def test_data_sets_without_files(ingested):
    _, report, model = ingested
    synthetic = ingestion_of(DataSettings())
    classifier_card(["edema"]).model_copy(update={"ingestion": synthetic}).write(model)
    ingest_report({"test": [1.0]}, source="synthetic").write(report)
    found = original_files(model, report, TaskSettings(labels=("opacity",)), 16)
    assert (found.requests, found.note) == ({}, "")


@pytest.mark.parametrize("first", ["synthetic", "manifest"])
def test_parts_get_the_folders_that_were_read(ingested, first):
    data, report, _ = ingested
    parts = [
        {"source": "manifest", "root": "/a", "role": "in_distribution"},
        {"source": "synthetic", "role": "shifted"},
    ]
    settings = DataSettings(
        source="combined", parts=parts if first == "manifest" else parts[::-1], stored_size=16
    )
    found = originals.data_as_ingested(ingestion_of(settings), IngestReport.read(report))
    roots = {part.source: part.root for part in found.parts}
    assert roots == {"manifest": str(data), "synthetic": ""}
