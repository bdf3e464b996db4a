"""What is read from ingestion's index: shared values, ids, shift of the domain."""

from __future__ import annotations

import hashlib
import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats

from components.data_gate.checks.domain_shift import domain_shift
from components.data_gate.checks.index import Index
from components.image_example_gen.writing.examples import index_schema
from trainer_modules.settings import TaskSettings

TASK = TaskSettings(labels=("a",))
IDS = ("image_id", "patient_id", "study_id", "slide_id")


def hexed(text: str) -> str:
    """A pseudonym."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def row(number: int, split: str, patient: str, picture: str, **changes) -> dict:
    """An index row."""
    domain = "shifted" if split == "shifted" else "in_distribution"
    return {
        "image_id": hexed(f"i{number}"),
        "patient_id": hexed(patient),
        "study_id": "",
        "slide_id": "",
        "split": split,
        "site": "s",
        "domain": domain,
        "digest": hashlib.sha256(picture.encode()).hexdigest(),
        "phash": hashlib.sha256(f"look {picture}".encode()).hexdigest(),
        "row": number,
        "height": 10,
        "width": 12,
        "mean": 0.5,
        "std": 0.1,
        "border_mean": 0.2,
        "border_std": 0.1,
        "label/a": 0.0,
        "subgroup/sex": "F",
    } | changes


def index_of(folder, rows: list[dict], files: int = 3) -> Index:
    """Writes rows into several files, as shards do."""
    schema = index_schema(("a",), ("sex",))
    for place in range(files):
        table = pa.Table.from_pylist(rows[place::files], schema=schema)
        pq.write_table(table, folder / f"index-x-{place:05d}.parquet")
    return Index(str(folder))


def test_clean_splits_share_nothing(tmp_path):
    rows = [row(n, "train" if n < 10 else "test", f"p{n // 2}", f"x{n}") for n in range(20)]
    index = index_of(tmp_path, rows)
    assert index.shared("patient_id") == []
    assert index.shared("digest") == []
    assert index.subgroups == ["sex"]
    assert index.shared("study_id") == index.shared("slide_id") == []
    assert index.raw_identities() == dict.fromkeys(IDS, 0)


def test_images_without_an_id_are_counted(tmp_path):
    rows = [row(n, "train", f"p{n}", f"x{n}") for n in range(5)]
    for number in (1, 3):
        rows[number]["study_id"] = ""
    rows[4]["study_id"] = None
    index = index_of(tmp_path, rows)
    assert index.without("patient_id") == (0, 5)
    known = sum(bool(r["study_id"]) for r in rows)
    assert index.without("study_id") == (5 - known, 5)


def test_a_patient_in_two_splits_is_found_with_rows(tmp_path):
    rows = [row(n, "train", f"p{n // 2}", f"x{n}") for n in range(20)]
    rows += [row(20, "test", "p3", "x20"), row(21, "validation", "p3", "x21")]
    rows += [row(22, "shifted", "p4", "x22"), row(23, "test", "new", "x23")]
    first, second = index_of(tmp_path, rows).shared("patient_id")
    assert first.value == hexed("p3")
    assert dict(first.splits) == {"train": 2, "test": 1, "validation": 1}
    assert first.rows == (6, 7, 20, 21)
    assert first.images == tuple(hexed(f"i{n}") for n in (6, 7, 20, 21))
    assert dict(second.splits) == {"train": 2, "shifted": 1}


@pytest.mark.parametrize("kind", ["study_id", "slide_id"])
def test_a_study_or_slide_under_two_patients_is_found(kind, tmp_path):
    rows = [row(n, "train", f"p{n}", f"x{n}", **{kind: hexed(f"s{n}")}) for n in range(9)]
    rows += [row(9, "test", "other", "x9", **{kind: hexed("s4")}), row(10, "test", "q", "x10")]
    index = index_of(tmp_path, rows)
    assert index.shared("patient_id") == []
    (found,) = index.shared(kind)
    assert (dict(found.splits), found.rows) == ({"train": 1, "test": 1}, (4, 9))


def test_files_of_some_images_are_found(tmp_path):
    rows = [row(n, "train", f"p{n}", f"x{n}") for n in range(9)]
    index = index_of(tmp_path, rows)
    found = {pathlib.Path(p).name: ids for p, ids in index.files_of({hexed("i3"), hexed("i5")})}
    assert found == {"index-x-00000.parquet": {hexed("i3")}, "index-x-00002.parquet": {hexed("i5")}}


def test_duplicates_within_a_split_are_no_leak(tmp_path):
    rows = [row(1, "train", "a", "x"), row(2, "train", "b", "x"), row(3, "test", "c", "y")]
    index = index_of(tmp_path, rows)
    assert index.shared("digest") == []
    rows.append(row(4, "unlabeled", "d", "y"))
    (found,) = index_of(tmp_path, rows).shared("digest")
    assert found.rows == (3, 4)


def test_many_shared_values_are_listed_up_to_a_thousand(tmp_path):
    rows = [row(n, s, f"p{n}", f"x{n}") for n in range(1200) for s in ("train", "test")]
    assert len(index_of(tmp_path, rows).shared("patient_id")) == 1000


def test_subgroups_are_counted_in_some_splits(tmp_path):
    rows = [row(n, "test", "a", "x", **{"subgroup/sex": "FM"[n % 3 == 0]}) for n in range(9)]
    rows.append(row(9, "train", "a", "x"))
    counts = index_of(tmp_path, rows).subgroup_counts(("test", "shifted"))
    assert counts == {("test", "sex", "F"): 6, ("test", "sex", "M"): 3}


def test_raw_identities_are_counted(tmp_path):
    rows = [row(1, "train", "a", "x"), row(2, "train", "b", "y", patient_id="MRN-17")]
    rows += [row(3, "train", "c", "z", study_id="ACC-1", slide_id=hexed("s"))]
    counts = index_of(tmp_path, rows).raw_identities()
    assert counts == {"image_id": 0, "patient_id": 1, "study_id": 1, "slide_id": 0}


@pytest.fixture(scope="module")
def two_domains(tmp_path_factory):
    rng = np.random.default_rng(0)
    near, far = rng.normal(0.4, 0.05, 3000), rng.normal(0.5, 0.10, 1000)
    rows = [
        row(n, "train", f"p{n}", f"x{n}", mean=float(v), **{"label/a": float(n % 4 == 0)})
        for n, v in enumerate(near)
    ]
    rows += [
        row(n, "shifted", f"q{n}", f"y{n}", mean=float(v), **{"label/a": float(n % 2)})
        for n, v in enumerate(far, start=5000)
    ]
    rows += [row(9000 + n, "unlabeled", "u", f"z{n}", **{"label/a": np.nan}) for n in range(9)]
    return near, far, index_of(tmp_path_factory.mktemp("index"), rows)


def test_domain_shift_agrees_with_numpy_and_scipy(two_domains):
    near, far, index = two_domains
    near = np.append(near, [0.5] * 9)  # the unlabeled images count for brightness
    entries = {(e.feature, e.statistic): e.value for e in domain_shift(index, TASK)}
    assert np.isclose(entries["image/mean", "mean in_distribution"], near.mean(), atol=1e-6)
    assert np.isclose(entries["image/mean", "mean shifted"], far.mean(), atol=1e-6)
    pooled = np.sqrt((near.var() + far.var()) / 2)
    expected = (far.mean() - near.mean()) / pooled
    assert np.isclose(entries["image/mean", "standardized difference"], expected, atol=1e-4)
    distance = stats.ks_2samp(near, far).statistic
    assert np.isclose(entries["image/mean", "kolmogorov-smirnov"], distance, atol=0.02)
    assert entries["label/a", "prevalence in_distribution"] == 750 / 3000
    assert entries["label/a", "prevalence shifted"] == 0.5
    assert entries["label/a", "prevalence difference"] == 0.25
    assert ("image/height", "standardized difference") not in entries  # nothing varies


def test_no_shifted_data_no_domain_shift(tmp_path):
    assert domain_shift(index_of(tmp_path, [row(1, "train", "p", "x")], files=1), TASK) == []


def test_multiclass_prevalence_is_by_class(tmp_path):
    task = TaskSettings(kind="multiclass", labels=("a",), classes=("x", "y", "z"))
    rows = [row(n, "train", f"p{n}", f"x{n}", **{"label/a": float(n % 2)}) for n in range(8)]
    rows += [row(n, "shifted", f"p{n}", f"x{n}", **{"label/a": 2.0}) for n in range(8, 12)]
    entries = {
        (e.feature, e.statistic): e.value for e in domain_shift(index_of(tmp_path, rows), task)
    }
    assert entries["label/a=x", "prevalence in_distribution"] == 0.5
    assert entries["label/a=z", "prevalence shifted"] == 1.0
    assert entries["label/a=z", "prevalence difference"] == 1.0
