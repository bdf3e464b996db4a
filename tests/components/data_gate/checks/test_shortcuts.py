"""Shortcuts that are planted in the figures of an index, and figures that give nothing away."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats

from components.data_gate.checks.index import Index
from components.data_gate.checks.shortcuts import shortcuts
from components.image_example_gen.writing.examples import index_schema
from schemas import features
from trainer_modules.settings import TaskSettings

pytestmark = pytest.mark.slow

TASK = TaskSettings(labels=("a",))


def index_of(folder, count=1200, *, sites=("s", "t"), **changes) -> Index:
    """Rows whose figures are noise, but for what `changes` gives them: columns of `count`."""
    rng = np.random.default_rng(0)
    columns = {
        "patient_id": [f"{n // 2:032x}" for n in range(count)],
        "site": [sites[n // 2 % len(sites)] for n in range(count)],
        "domain": ["in_distribution"] * count,
        "height": rng.integers(90, 110, count),
        "width": rng.integers(90, 110, count),
        "mean": rng.uniform(0.4, 0.6, count),
        "std": rng.uniform(0.1, 0.2, count),
        "label/a": rng.integers(0, 2, count).astype(float),
        "border_mean": rng.uniform(0.4, 0.6, count),
        "border_std": rng.uniform(0.1, 0.2, count),
        **{name: rng.uniform(0.1, 0.2, count) for name in features.CORNERS},
        "file_format": rng.choice(["PNG gray", "JPEG gray"], count),
    } | changes
    columns = {"source_height": columns["height"], "source_width": columns["width"]} | columns
    schema = index_schema(("a",), ())
    columns |= {name: [None] * count for name in schema.names if name not in columns}
    columns["row"] = list(range(count))
    table = pa.table({name: columns[name] for name in schema.names}, schema=schema)
    pq.write_table(table[:500], folder / "index-0.parquet")
    pq.write_table(table[500:], folder / "index-1.parquet")
    return Index(str(folder))


def found(index: Index) -> dict[tuple[str, str], float]:
    return {(e.target, e.figures): e.auc for e in shortcuts(index, TASK)}


def test_noise_gives_nothing_away(tmp_path):
    areas = found(index_of(tmp_path))
    assert set(areas) == {("site", "labels")} | {
        (t, f)
        for t in ("site", "label/a")
        for f in (
            "image size",
            "aspect ratio",
            "gray values",
            "image border",
            "image corners",
            "file format",
        )
    }
    assert all(abs(area - 0.5) < 0.07 for area in areas.values())


def test_a_site_of_its_own_size_and_a_label_in_the_exposure_are_found(tmp_path):
    rng = np.random.default_rng(1)
    label = rng.integers(0, 2, 1200)
    height = [100 + 40 * (n // 2 % 2) for n in range(1200)]
    mean = rng.normal(0.4, 0.05, 1200) + 0.05 * label
    index = index_of(tmp_path, height=height, mean=mean, **{"label/a": label.astype(float)})
    areas = found(index)
    assert areas["site", "image size"] == 1
    # One standard deviation between two normal distributions.
    assert np.isclose(areas["label/a", "gray values"], stats.norm.cdf(1 / np.sqrt(2)), atol=0.03)
    assert abs(areas["label/a", "image size"] - 0.5) < 0.07


def test_a_site_of_another_prevalence_is_found_by_its_labels(tmp_path):
    label = np.array([float(n // 2 % 2) for n in range(1200)])
    # Without a label nothing is told, however many rows of one site lack it.
    unknown = np.where(np.arange(1200) % 8 < 2, np.nan, label)
    assert found(index_of(tmp_path, **{"label/a": unknown}))["site", "labels"] == 1
    rng = np.random.default_rng(3)
    label = rng.random(1200) < np.where(np.arange(1200) // 2 % 2, 0.8, 0.4)
    areas = found(index_of(tmp_path, **{"label/a": label.astype(float)}))
    # Of a 0/1 figure the area is one half and half the gap of the rates.
    assert abs(areas["site", "labels"] - (0.5 + 0.4 / 2)) < 0.04


def test_classes_tell_a_site(tmp_path):
    task = TaskSettings(kind="multiclass", labels=("a",), classes=("x", "y", "z"))
    # Site t has the middle class alone, which no line through the places of the classes tells.
    classes = [1.0 if n // 2 % 2 else float(n // 4 % 2 * 2) for n in range(1200)]
    index = index_of(tmp_path, **{"label/a": classes})
    areas = {(e.target, e.figures): e.auc for e in shortcuts(index, task)}
    assert areas["site", "labels"] == 1


def test_a_site_that_marks_its_border_is_found(tmp_path):
    marked = [0.1 + 0.8 * (n // 2 % 2) for n in range(1200)]
    areas = found(index_of(tmp_path, border_mean=marked))
    assert areas["site", "image border"] == 1
    assert abs(areas["site", "gray values"] - 0.5) < 0.07


def test_three_sites_and_two_domains(tmp_path):
    sites = ("s", "t", "u")
    width = [100 + 30 * (n // 2 % 3) for n in range(1200)]
    domain = ["shifted" if n // 2 % 3 == 2 else "in_distribution" for n in range(1200)]
    areas = found(index_of(tmp_path, sites=sites, width=width, domain=domain))
    assert areas["domain", "image size"] == 1
    # No line sets the middle site apart from both others, but a tree does.
    assert areas["site", "image size"] == 1


def test_unknown_labels_and_rare_sites_are_left_out(tmp_path):
    label = np.where(np.arange(1200) < 1190, np.nan, 1.0)
    index = index_of(tmp_path, sites=("s",), **{"label/a": label})
    assert shortcuts(index, TASK) == []


def test_a_large_index_is_thinned(tmp_path, monkeypatch):
    monkeypatch.setattr("components.data_gate.checks.shortcuts._IMAGES", 400)
    (entry, *_) = shortcuts(index_of(tmp_path), TASK)
    assert entry.images == 400


def test_figures_that_are_all_the_same_have_no_entry(tmp_path):
    areas = found(index_of(tmp_path, height=[64] * 1200, width=[64] * 1200))
    assert {figures for _, figures in areas} == {
        "gray values", "image border", "image corners", "file format", "labels",
    }  # fmt: skip


def test_one_class_of_many_is_told_by_its_shape(tmp_path):
    """The mean over classes hides it: nine of ten are told by chance alone."""
    task = TaskSettings(kind="multiclass", labels=("a",), classes=tuple("bcdefghijk"))
    rng = np.random.default_rng(5)
    kind = np.arange(1200) // 2 % 10
    # Class g, the sixth, is square; the others are wider or higher, whatever their area.
    ratio = np.where(kind == 5, 1.0, rng.choice([0.7, 0.8, 1.25, 1.4], 1200))
    height = rng.uniform(200, 900, 1200)
    index = index_of(
        tmp_path,
        source_height=np.round(height).astype(int),
        source_width=np.round(height * ratio).astype(int),
        **{"label/a": kind.astype(float)},
    )
    entries = {(e.target, e.figures): e for e in shortcuts(index, task)}
    told = entries["label/a", "aspect ratio"]
    assert told.value == "g"
    assert told.auc > 0.97
    assert entries["label/a", "gray values"].auc < 0.7


def test_shapes_are_those_before_shrinking(tmp_path):
    square = {"height": [64] * 1200, "width": [64] * 1200}
    wide = [640 if n // 2 % 2 else 480 for n in range(1200)]
    areas = found(index_of(tmp_path, **square, source_height=[480] * 1200, source_width=wide))
    assert areas["site", "aspect ratio"] == areas["site", "image size"] == 1


def test_a_marker_in_one_corner_is_found(tmp_path):
    label = np.random.default_rng(2).integers(0, 2, 1200)
    index = index_of(tmp_path, bottom_left_mean=0.2 + 0.3 * label, **{"label/a": label * 1.0})
    areas = found(index)
    assert areas["label/a", "image corners"] == 1
    assert abs(areas["label/a", "image border"] - 0.5) < 0.07


def test_a_site_of_its_own_file_format_is_found(tmp_path):
    formats = ["DICOM gray" if n // 2 % 2 else "PNG gray" for n in range(1200)]
    areas = found(index_of(tmp_path, file_format=formats))
    assert areas["site", "file format"] == 1
    assert abs(areas["label/a", "file format"] - 0.5) < 0.07


def test_a_class_of_few_patients_leaves_the_others_their_entry(tmp_path):
    # Site u has 18 images of 9 patients.
    sites = np.array(["u" if n < 18 else "st"[n // 2 % 2] for n in range(1200)])
    height = np.where(sites == "s", 150, 100)
    entries = shortcuts(index_of(tmp_path, site=sites, height=height), TASK)
    (size,) = [e for e in entries if (e.target, e.figures) == ("site", "image size")]
    assert (size.auc, size.images, size.value) == (1, 1182, "")
