"""Every kind of bad input, through ingestion: counted, kept, or refused with words."""

from __future__ import annotations

import os

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError
from pydicom.data import get_testdata_file

from components.image_example_gen.settings import DataSettings
from components.image_example_gen.sources import registry
from schemas.errors import InputError
from tests.components.image_example_gen.data_sets import write_csv, write_png
from tests.components.image_example_gen.decoding.test_images import (
    ANIMATED,
    GRAY,
    JPEG,
    RGB,
    png_with_size,
    saved,
)
from tests.components.image_example_gen.test_ingest import run
from trainer_modules.settings import TaskSettings

TASK = TaskSettings(labels=("finding",))
KEPT = ""


def dicom_without_pixels() -> bytes:
    with open(get_testdata_file("rtplan.dcm"), "rb") as file:
        return file.read()


IMAGES = {
    "truncated.jpg": (JPEG[: len(JPEG) // 2], "unreadable"),
    "lying-header.png": (png_with_size(500, 500), "unreadable"),
    "60000-pixels.png": (png_with_size(60_000, 60_000), "too_large"),
    "zero-bytes.png": (b"", "empty"),
    "cmyk.jpg": (saved(Image.fromarray(RGB).convert("CMYK"), "JPEG"), KEPT),
    "animated.gif": (ANIMATED, "unsupported"),
    "16-bit.tif": (saved(Image.fromarray(GRAY.astype(np.uint16) * 257), "TIFF"), KEPT),
    "no-pixels.dcm": (dicom_without_pixels(), "unsupported"),
    "text.png": (b"a note, not an image" * 9, "unsupported"),
    os.fsdecode(b"caf\xe9.png"): (saved(Image.fromarray(GRAY), "PNG"), KEPT),
    "plain.png": (saved(Image.fromarray(255 - GRAY), "PNG"), KEPT),
}


def test_bad_images_are_counted_and_the_rest_is_kept(tmp_path):
    """Class folders, because a table is UTF-8 and can't name every file that a disk can."""
    for name, (content, _) in IMAGES.items():
        path = tmp_path / "data/finding" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    write_png(tmp_path / "data/other/x.png", 1)
    data = DataSettings(source="image_folder", root=str(tmp_path / "data"), max_pixels=10**7)
    registry.check_source(data, TASK)
    rows = {row.image: row.number for row in registry.open_source(data, TASK).rows()}
    report = run(data, TASK, tmp_path / "out")
    expected = {
        rows[f"finding/{name}"]: reason for name, (_, reason) in IMAGES.items() if reason != KEPT
    }
    assert {q["row"]: q["reason"] for q in report["quarantined"]} == expected
    assert report["images"] == len(IMAGES) + 1
    assert report["quarantined_count"] == len(expected)
    assert sum(report["reasons"].values()) == len(expected)


MANIFESTS = {
    "path escape": ("image,finding\n../x.png,1\n", r"row 1: image holds '\.\.'"),
    "url": ("image,finding\nhttps://host/x.png,1\n", "row 1: image is a URL"),
    "link outside": ("image,finding\nlink.png,1\n", "row 1: image is a link that leads out"),
    "missing column": ("image,other\nx.png,1\n", "no column 'finding'"),
    "wrong delimiter": ("image;finding\nx.png;1\n", "';'"),
    "duplicate rows": ("image,finding\nx.png,1\nx.png,1\n", "row 2: names the same image"),
    "label of no number": ("image,finding\nx.png,nan\n", r"row 1.*'nan'.*0, 1, -1"),
}


@pytest.mark.parametrize("case", MANIFESTS)
def test_bad_tables_are_refused_with_words(case, tmp_path):
    write_png(tmp_path / "outside.png", 2)
    write_png(tmp_path / "data/x.png", 1)
    (tmp_path / "data/link.png").symlink_to(tmp_path / "outside.png")
    text, words = MANIFESTS[case]
    (tmp_path / "data/manifest.csv").write_text(text)
    with pytest.raises(InputError, match=words):
        registry.check_source(DataSettings(source="manifest", root=str(tmp_path / "data")), TASK)


def test_a_byte_order_mark_is_no_mistake(tmp_path):
    write_png(tmp_path / "x.png", 1)
    (tmp_path / "manifest.csv").write_text(
        "\ufeffimage,patient_id,finding\nx.png,p,1\n", encoding="utf-8"
    )
    registry.check_source(DataSettings(source="manifest", root=str(tmp_path)), TASK)


def test_50000_classes_are_refused():
    names = tuple(f"class {number}" for number in range(50_000))
    with pytest.raises(ValidationError, match="50000 classes, at most 25000") as refused:
        TaskSettings(kind="multiclass", labels=("kind",), classes=names)
    assert len(str(refused.value)) < 1000


def test_50000_values_in_a_class_column_end_at_the_first(tmp_path):
    write_png(tmp_path / "x.png", 1)
    task = TaskSettings(kind="multiclass", labels=("kind",), classes=("a", "b"))
    rows = [[f"{number}.png", f"class {number}"] for number in range(50_000)]
    write_csv(tmp_path / "manifest.csv", [["image", "kind"], *rows])
    with pytest.raises(InputError, match=r"row 1.*'class 0'.*a, b") as refused:
        registry.check_source(DataSettings(source="manifest", root=str(tmp_path)), task)
    assert len(str(refused.value)) < 1000


def test_thousands_of_class_folders_are_listed_in_short(tmp_path):
    for number in range(2000):
        (tmp_path / f"class{number}").mkdir()
    task = TaskSettings(kind="multiclass", labels=("kind",), classes=("a", "b"))
    with pytest.raises(InputError) as refused:
        registry.check_source(DataSettings(source="image_folder", root=str(tmp_path)), task)
    assert len(str(refused.value)) < 1000
