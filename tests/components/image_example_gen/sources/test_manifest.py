"""Manifests: what is read, and what is refused with which words."""

from __future__ import annotations

import gzip
import os
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.image_example_gen.sources import registry
from components.image_example_gen.sources.manifest import ManifestSource
from schemas.errors import InputError
from tests.components.image_example_gen.data_sets import write_csv, write_png
from trainer_modules.settings import TaskSettings

HEADER = ["image", "finding", "patient_id", "site", "domain", "split", "sex"]
ROWS = [
    ["a.png", "0", "p1", "north", "in_distribution", "train", "F"],
    ["sub/b.png", "1", "p2", "", "", "", ""],
    ["c.png", "-1", "p2", "south", "shifted", "", "M"],
    ["d.png", "", "p3", "south", "shifted", "shifted", "M"],
]


@pytest.fixture
def root(tmp_path, manifest_data) -> pathlib.Path:
    """A folder with four images and no manifest yet."""
    folder = tmp_path / "data"
    for seed, name in enumerate(("a.png", "sub/b.png", "c.png", "d.png")):
        write_png(folder / name, seed)
    return folder


def read(data, task):
    """Rows after the check that a run makes."""
    registry.check_source(data, task)
    return list(registry.open_source(data, task).rows())


def test_every_column_is_read(root, manifest_data, binary_task):
    write_csv(root / "manifest.csv", [HEADER, *ROWS])
    rows = read(manifest_data(subgroups=("sex",)), binary_task)
    assert [r.number for r in rows] == [1, 2, 3, 4]
    assert [r.image for r in rows] == ["a.png", "sub/b.png", "c.png", "d.png"]
    assert [r.patient_id for r in rows] == ["p1", "p2", "p2", "p3"]
    assert [r.site for r in rows] == ["north", "unknown", "south", "south"]
    assert [r.domain for r in rows] == ["in_distribution"] * 2 + ["shifted"] * 2
    assert [r.split for r in rows] == ["train", None, None, None]
    assert [r.labels for r in rows] == [(0.0,), (1.0,), (None,), (None,)]
    assert [r.subgroups for r in rows] == [("F",), ("unknown",), ("M",), ("M",)]


def test_two_columns_are_enough_where_images_are_the_patients(root, manifest_data, binary_task):
    write_csv(root / "manifest.csv", [["image", "finding"], ["a.png", 0], ["./sub//b.png", 1]])
    rows = read(manifest_data(patients="per_image"), binary_task)
    assert all(r.own_patient for r in rows)
    assert [r.image for r in rows] == ["a.png", "sub/b.png"]
    assert [r.patient_id for r in rows] == ["a.png", "sub/b.png"]
    assert {(r.site, r.domain, r.split) for r in rows} == {("unknown", "in_distribution", None)}


@pytest.mark.parametrize(
    ("name", "encode"),
    [
        ("m.csv", lambda text: b"\xef\xbb\xbf" + text),
        ("m.csv.gz", gzip.compress),
        ("m.csv", lambda text: text.replace(b"\r\n", b"\n")),
        ("m.csv", lambda text: text + b"\r\n\r\n"),
    ],
    ids=["byte-order mark", "gzip", "unix lines", "blank lines"],
)
def test_csv_as_programs_save_it(root, manifest_data, binary_task, name, encode):
    write_csv(root / "manifest.csv", [HEADER, *ROWS])
    expected = read(manifest_data(), binary_task)
    (root / name).write_bytes(encode((root / "manifest.csv").read_bytes()))
    assert read(manifest_data(manifest=name), binary_task) == expected


def test_parquet_gives_the_rows_of_the_csv(root, manifest_data, binary_task):
    write_csv(root / "manifest.csv", [HEADER, *ROWS])
    columns = list(zip(*ROWS, strict=True))
    table = {name: pa.array(values) for name, values in zip(HEADER, columns, strict=True)}
    table["finding"] = pa.array([0.0, 1.0, -1.0, float("nan")])
    table["site"] = pa.array(["north", None, "south", "south"])
    pq.write_table(pa.table(table), root / "manifest.parquet")
    data = manifest_data(subgroups=("sex",))
    parquet = manifest_data(subgroups=("sex",), manifest="manifest.parquet")
    assert read(parquet, binary_task) == read(data, binary_task)


def test_parquet_numbers_and_booleans(root, manifest_data, binary_task):
    table = {"image": ["a.png", "c.png"], "finding": [True, False], "patient_id": [7, 8]}
    pq.write_table(pa.table(table), root / "m.parquet")
    rows = read(manifest_data(manifest="m.parquet"), binary_task)
    assert [(r.labels, r.patient_id) for r in rows] == [((1.0,), "7"), ((0.0,), "8")]


BAD_ROWS = {
    "unknown split": (["a.png", "0", "p", "", "", "dev", ""], ["row 1", "split", "dev", "train"]),
    "split of shifted": (
        ["a.png", "0", "p", "", "shifted", "train", ""],
        ["row 1", "split", "train", "shifted"],
    ),
    "shifted without domain": (
        ["a.png", "0", "p", "", "", "shifted", ""],
        ["row 1", "split", "shifted", "follows from domain"],
    ),
    "unknown domain": (
        ["a.png", "0", "p", "", "elsewhere", "", ""],
        ["row 1", "domain", "elsewhere", "in_distribution, shifted"],
    ),
    "bad label": (["a.png", "2", "p", "", "", "", ""], ["row 1", "finding", "'2'", "0, 1, -1"]),
    "no patient": (["a.png", "0", "", "", "", "", ""], ["row 1", "patient_id is empty"]),
    "no image": (["", "0", "p", "", "", "", ""], ["row 1", "image is empty"]),
    "parent folder": (["../a.png", "0", "p", "", "", "", ""], ["row 1", "'..'", "data.root"]),
    "hidden parent": (["sub/../../a.png", "0", "p", "", "", "", ""], ["row 1", "'..'"]),
    "windows parent": (["sub\\..\\a.png", "0", "p", "", "", "", ""], ["row 1", "'..'"]),
    "absolute path": (["/etc/passwd", "0", "p", "", "", "", ""], ["row 1", "absolute path"]),
    "drive": (["C:\\a.png", "0", "p", "", "", "", ""], ["row 1", "absolute path"]),
    "url": (["https://x/a.png", "0", "p", "", "", "", ""], ["row 1", "URL"]),
    "short row": (["a.png", "0"], ["row 1", "2 cells", "7"]),
    "age": (["a.png", "0", "p", "", "", "", "old"], ["row 1", "sex", "old", "number"]),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_bad_rows_are_refused_with_row_value_and_what_is_accepted(
    case, root, manifest_data, binary_task
):
    cells, words = BAD_ROWS[case]
    write_csv(root / "manifest.csv", [HEADER, cells])
    # Bins make the column numeric, which gives the last case its mistake.
    bins = {"sex": (1.0,)} if case == "age" else {}
    with pytest.raises(InputError) as error:
        read(manifest_data(subgroups=("sex",), subgroup_bins=bins), binary_task)
    for word in ["manifest.csv", *words]:
        assert word in str(error.value)


BAD_FILES = {
    "no rows": (b"image,finding\n", ["no rows"]),
    "empty": (b"", ["no column 'image'"]),
    "no label column": (b"image,other\na.png,0\n", ["no column 'finding'", "image, other"]),
    "semicolons": (b"image;finding\na.png;0\n", ["no column 'image'", "';'", "commas"]),
    "tabs": (b"image\tfinding\na.png\t0\n", ["'\\t'", "commas"]),
    "column twice": (b"image,finding,finding\na.png,0,1\n", ["several columns 'finding'"]),
    "not UTF-8": (b"image,finding\na.png,0\nb\xff\xfe.png,0\n", ["UTF-8"]),
    "UTF-16": ("image,finding\na.png,0\n".encode("utf-16"), ["UTF-8"]),
    "open quote": (b'image,finding\n"a.png,0\n', ["CSV"]),
    "broken gzip": (gzip.compress(b"image,finding\na.png,0\nc.png,1\n")[:-12], ["CSV"]),
    "broken parquet": (b"PAR1 and nothing else", ["Parquet"]),
    "duplicate rows": (b"image,finding\na.png,0\nc.png,0\n./a.png,0\n", ["row 3", "row 1"]),
    "conflicting rows": (b"image,finding\na.png,0\na.png,1\n", ["row 2", "row 1"]),
    "no image exists": (b"image,finding\nx.png,0\ny.png,0\n", ["none of the 2 images"]),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files_are_refused(case, root, manifest_data, binary_task):
    content, words = BAD_FILES[case]
    (root / "manifest.csv").write_bytes(content)
    with pytest.raises(InputError) as error:
        read(manifest_data(), binary_task)
    for word in ["manifest.csv", *words]:
        assert word in str(error.value)


def test_one_image_under_two_patients_is_left_to_the_data_gate(root, manifest_data, binary_task):
    rows = [HEADER[:3], ["a.png", "0", "p1"], ["a.png", "0", "p2"]]
    write_csv(root / "manifest.csv", rows)
    assert len(read(manifest_data(), binary_task)) == 2


def test_missing_folder_and_manifest_are_named(tmp_path, manifest_data, binary_task):
    with pytest.raises(InputError, match=r"no file 'manifest.csv'.*\.parquet"):
        registry.check_source(manifest_data(), binary_task)
    gone = manifest_data().model_copy(update={"root": str(tmp_path / "gone")})
    with pytest.raises(InputError, match="gone' is not a folder"):
        registry.check_source(gone, binary_task)
    with pytest.raises(InputError, match=r"path inside data\.root"):
        registry.check_source(manifest_data(manifest="../m.csv"), binary_task)


def test_names_that_identify_stay_out_of_messages(root, manifest_data, binary_task):
    write_csv(root / "manifest.csv", [HEADER, ["/home/smith/x.png", "0", "p", "", "", "", ""]])
    with pytest.raises(InputError) as error:
        read(manifest_data(), binary_task)
    assert "smith" not in str(error.value)


@pytest.mark.parametrize("linked", ["file", "folder"])
def test_links_out_of_the_root_are_refused(linked, root, tmp_path, manifest_data, binary_task):
    write_png(tmp_path / "outside/x.png", 9)
    if linked == "file":
        os.symlink(tmp_path / "outside/x.png", root / "x.png")
        image = "x.png"
    else:
        os.symlink(tmp_path / "outside", root / "away")
        image = "away/x.png"
    write_csv(root / "manifest.csv", [["image", "finding"], ["a.png", 0], [image, 1]])
    with pytest.raises(InputError, match="row 2: image is a link that leads out"):
        read(manifest_data(), binary_task)


def test_links_inside_the_root_and_a_linked_root_are_fine(
    root, tmp_path, manifest_data, binary_task
):
    os.symlink(root / "a.png", root / "same.png")
    os.symlink(root, tmp_path / "alias")
    write_csv(root / "manifest.csv", [["image", "finding", "patient_id"], ["same.png", 0, "p"]])
    data = manifest_data().model_copy(update={"root": str(tmp_path / "alias")})
    assert len(read(data, binary_task)) == 1


def test_fingerprint_sees_manifest_and_images(root, manifest_data, binary_task):
    write_csv(root / "manifest.csv", [HEADER, *ROWS])
    data = manifest_data()
    first = registry.data_fingerprint(data, binary_task)
    assert first == registry.data_fingerprint(data, binary_task)
    os.utime(root / "c.png", ns=(1, 1))
    second = registry.data_fingerprint(data, binary_task)
    (root / "d.png").unlink()
    third = registry.data_fingerprint(data, binary_task)
    write_csv(root / "manifest.csv", [HEADER, *ROWS[:2]])
    fourth = registry.data_fingerprint(data, binary_task)
    assert len({first, second, third, fourth}) == 4


def test_multiclass_by_name(root, manifest_data):
    task = TaskSettings(kind="multiclass", labels=("kind",), classes=("cat", "dog"))
    write_csv(root / "manifest.csv", [["image", "kind"], ["a.png", "dog"], ["c.png", ""]])
    assert [r.labels for r in read(manifest_data(patients="per_image"), task)] == [(1.0,), (None,)]
    write_csv(root / "manifest.csv", [["image", "kind"], ["a.png", "cow"]])
    with pytest.raises(InputError, match=r"'cow'.*cat, dog"):
        read(manifest_data(), task)


def test_rows_stream(manifest_data, binary_task, tmp_path):
    """The reader does not wait for the end of the file."""
    path = tmp_path / "data/manifest.csv"
    write_csv(path, [["image", "finding"], *([f"{i}.png", 0] for i in range(20000)), ["x", "bad"]])
    rows = ManifestSource(manifest_data(), binary_task).rows()
    assert next(rows).image == "0.png"
