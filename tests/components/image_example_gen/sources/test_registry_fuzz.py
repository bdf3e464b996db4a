"""Damaged and hostile input of every kind ends in a message, never in a crash."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file

from components.image_example_gen.decoding import images
from components.image_example_gen.decoding.polygons import fill, read_asap
from components.image_example_gen.settings import DataSettings
from components.image_example_gen.sources.registry import open_source
from components.image_example_gen.writing.tf_records import (
    DamagedRecords,
    RecordFile,
    parse_example,
)
from schemas.errors import InputError
from trainer_modules.settings import TaskSettings

pytestmark = pytest.mark.slow

DICOM = [
    Path(get_testdata_file(name)).read_bytes()
    for name in ("MR_small.dcm", "MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "CT_small.dcm")
]
# JPEG-LS and lossless JPEG, which are decoded in a process of their own.
APART = [
    Path(get_testdata_file(name)).read_bytes()
    for name in (
        "MR_small_jpeg_ls_lossless.dcm", "JPEGLSNearLossless_16.dcm", "SC_rgb_jls_lossy_line.dcm",
        "SC_rgb_jpeg_gdcm.dcm",
    )
]  # fmt: skip
SLOW = settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
CELL = st.one_of(
    st.sampled_from(
        ["", "0", "1", "-1", "1.0", "nan", "NaN", "1e999", "../x", "/etc/passwd", "x" * 2000,
         "CheXpert-v1.0/train/patient00001/study1/view1_frontal.jpg", "Frontal", "a\nb", '"', "é",
         "No Finding|Mass", "00000001_000.png", "train", "http://x/y.png", "C:\\x", "058Y"]
    ),
    st.text(max_size=12),
)  # fmt: skip


@given(
    st.sampled_from(DICOM),
    st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), max_size=30),
    st.integers(0, 40_000),
)
@SLOW
def test_dicom_files(data, changes, length):
    data = bytearray(data[: max(length, 100)])
    for place, value in changes:
        if place < len(data):
            data[place] = value
    with contextlib.suppress(images.Rejected):
        pixels = images.decode_bytes(bytes(data), 10**6)
        assert pixels.dtype == np.uint8
        assert pixels.ndim == 2 or pixels.shape[2] == 3


@given(
    st.sampled_from(APART),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=12),
    st.floats(0.3, 1),
)
@settings(SLOW, max_examples=60)
def test_dicom_files_that_are_decoded_apart(data, changes, length):
    original, data = data, bytearray(data[: int(len(data) * length)])
    for place, value in changes:
        data[int(place * (len(data) - 1))] = value
    with contextlib.suppress(images.Rejected):
        pixels = images.decode_bytes(bytes(data), 10**6)
        assert pixels.dtype == np.uint8
        assert pixels.ndim == 2 or pixels.shape[2] == 3
    # Whatever became of it, the next file is decoded.
    assert images.decode_bytes(original, 10**6).size


TABLES = {
    "chexpert": ("train.csv", "edema", ["Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", "Edema"]),
    "nih_cxr14": (
        "Data_Entry_2017.csv", "edema",
        ["Image Index", "Finding Labels", "Patient ID", "Patient Age", "Patient Sex"],
    ),
    "camelyon17_wilds": (
        "metadata.csv", "tumor",
        ["", "patient", "node", "x_coord", "y_coord", "tumor", "slide", "center", "split"],
    ),
    "manifest": ("manifest.csv", "tumor", ["image", "patient_id", "tumor", "split", "domain"]),
}  # fmt: skip


@pytest.mark.parametrize("source", TABLES)
@given(data=st.data())
@SLOW
def test_tables(source, tmp_path, data):
    name, label, header = TABLES[source]
    rows = data.draw(st.lists(st.lists(CELL, min_size=len(header), max_size=len(header))))
    header = data.draw(st.one_of(st.just(header), st.permutations(header), st.lists(CELL)))
    mark = data.draw(st.sampled_from([",", ",", ",", ";", "\t"]))
    lines = [mark.join(f'"{cell}"' for cell in cells) for cells in [header, *rows]]
    encoding = data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"]))
    text = "\n".join(lines).encode(encoding, errors="replace")
    for file in (name, "valid.csv"):
        (tmp_path / file).write_bytes(text)
    source = open_source(
        DataSettings(source=source, root=str(tmp_path)), TaskSettings(labels=(label,))
    )
    with contextlib.suppress(InputError):
        source.check()
    with contextlib.suppress(InputError):
        for row in source.rows():
            assert ".." not in row.image.split("/")
            assert not row.image.startswith("/")


@given(st.binary(max_size=300))
@SLOW
def test_records(tmp_path, data):
    (tmp_path / "a.tfrecord").write_bytes(data)
    with contextlib.suppress(DamagedRecords):
        for _, record in RecordFile(str(tmp_path / "a.tfrecord")).records():
            parse_example(record)
    with contextlib.suppress(DamagedRecords):
        parse_example(data)


@given(st.text(max_size=200), st.lists(st.tuples(CELL, CELL), max_size=6))
@SLOW
def test_outlines(tmp_path, noise, points):
    path = tmp_path / "a.xml"
    inner = "".join(f'<Coordinate X="{x}" Y="{y}"/>' for x, y in points)
    for text in (noise, f'<a><Annotation Type="Polygon" PartOfGroup="_0">{inner}</Annotation></a>'):
        path.write_text(text, encoding="utf-8", errors="replace")
        with contextlib.suppress(InputError):
            read_asap(str(path)).fraction(0, 0, 64, 64, 16)


@given(st.lists(st.tuples(*[st.floats(-1e12, 1e12)] * 2), min_size=3, max_size=12))
@SLOW
def test_outlines_far_away(points):
    assert fill(np.array(points), 16).shape == (16, 16)
