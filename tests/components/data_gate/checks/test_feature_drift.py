"""Drift of images, names and label fractions, against SciPy and hand counts; what is kept."""

from __future__ import annotations

import json
import math
import os
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from scipy.spatial import distance

from components.data_gate.artifacts import read_schema, statistics_file
from components.data_gate.checks.distributions import Described, histogram
from components.data_gate.checks.feature_drift import (
    feature_distances,
    image_distances,
    label_distances,
)
from components.data_gate.passed_data import PassedData
from schemas.errors import InputError
from tests.components.data_gate.test_artifacts import SCHEMA


def statistics_of(frame: pd.DataFrame):
    import tensorflow_data_validation as tfdv

    return tfdv.generate_statistics_from_dataframe(frame)


def frame(mean: np.ndarray, north: int) -> pd.DataFrame:
    """400 rows, `north` of them of that site."""
    count = len(mean)
    return pd.DataFrame(
        {
            "image/mean": mean.astype(np.float32),
            "image/height": np.full(count, 64),
            "site": ["north"] * north + ["south"] * (count - north),
            "patient_id": [f"{n:032x}" for n in range(count)],
            "label/a": np.float32(mean > 0.5),
        }
    )


@pytest.fixture(scope="module")
def two():
    """Statistics of two sets whose histograms are exact: values on the edges of few bins."""
    near = np.repeat([0.0, 1.0], 200)
    far = np.repeat([0.0, 1.0], [100, 300])
    return statistics_of(frame(far, 100)), statistics_of(frame(near, 300))


def described(mean: np.ndarray, height: int, png: int) -> Described:
    """Images of these means and of one height, `png` of them PNG."""
    found = Described(formats=Counter({"PNG gray": png, "JPEG gray": len(mean) - png}))
    columns = {"mean": mean, "height": np.full(len(mean), height)}
    for name in ("image/mean", "image/height"):
        found.numbers[name] = histogram(name, columns)
    return found


def test_features_are_compared_as_numpy_and_scipy_do(two):
    now, before = two
    given = [*feature_distances("train", now, before, read_schema(SCHEMA), 0.1)]
    images = (
        described(np.repeat([0.0, 1.0], [100, 300]), 64, 100),
        described(np.repeat([0.0, 1.0], 200), 64, 300),
    )
    given += image_distances("train", *images, read_schema(SCHEMA), 0.1)
    found = {d.feature: d for d in given}
    assert set(found) == {"image/mean", "image/height", "site", "file_format"}
    assert found["file_format"].measure == "L-infinity"
    assert math.isclose(found["file_format"].value, 0.5)
    assert found["site"].measure == "L-infinity"
    assert math.isclose(found["site"].value, 0.5, abs_tol=1e-6)
    # The square of SciPy's distance, in bits.
    expected = distance.jensenshannon([0.25, 0.75], [0.5, 0.5], base=2) ** 2
    assert found["image/mean"].measure == "Jensen-Shannon"
    assert math.isclose(found["image/mean"].value, expected, abs_tol=1e-3)
    assert found["image/height"].value == 0
    assert {d.threshold for d in found.values()} == {0.1}
    assert {d.split for d in found.values()} == {"train"}


def test_the_schema_decides_and_what_differs_by_design_is_left_out(two):
    schema = read_schema(SCHEMA)
    site = next(feature for feature in schema.feature if feature.name == "site")
    site.drift_comparator.infinity_norm.threshold = 0.7
    (found,) = feature_distances("test", *two, schema, 0.1)
    assert (found.feature, found.threshold) == ("site", 0.7)
    assert feature_distances("test", *two, schema, 0.1, ("site",)) == []
    mean = next(feature for feature in schema.feature if feature.name == "image/mean")
    mean.drift_comparator.jensen_shannon_divergence.threshold = 0.6
    images = described(np.full(9, 0.5), 64, 4)
    found = {d.feature: d for d in image_distances("test", images, images, schema, 0.1)}
    assert found["image/mean"].threshold == 0.6
    assert found["image/height"].threshold == 0.1


def test_the_same_data_have_no_drift(two):
    now, _ = two
    found = feature_distances("train", now, now, read_schema(SCHEMA), 0.1)
    assert [d.value for d in found] == [0]
    images = described(np.linspace(0, 1, 50), 64, 4)
    found = image_distances("train", images, images, read_schema(SCHEMA), 0.1)
    assert [d.value for d in found] == [0, 0, 0]


def test_label_shares_by_hand():
    now = {"a": {"0": 60, "1": 20, "unknown": 20}, "b": {"0": 1, "1": 1, "unknown": 0}}
    before = {"a": {"0": 50, "1": 50, "unknown": 900}, "b": {"0": 0, "1": 0, "unknown": 9}}
    (found,) = label_distances("test", now, before, 0.2)
    assert (found.split, found.feature, found.measure) == ("test", "label/a", "L-infinity")
    assert math.isclose(found.value, 0.75 - 0.5)
    classes = {"kind": {"x": 1, "y": 1, "z": 2, "unknown": 5}}
    (found,) = label_distances("test", classes, {"kind": {"x": 4, "unknown": 0}}, 0.2)
    assert found.value == 0.75


def test_only_the_last_passed_run_is_kept(tmp_path, two):
    passed = PassedData(str(tmp_path / "kept"))
    assert passed.label_counts() is None
    assert passed.statistics("train") is None
    for number, statistics in enumerate(two):
        folder = tmp_path / f"run{number}"
        path = statistics_file(str(folder), "train")
        os.makedirs(os.path.dirname(path))
        with open(path, "wb") as file:
            file.write(statistics.SerializeToString())
        images = described(np.array([0.25, 0.75, 0.75]), 64 + number, 1)
        labels = {"train": {"a": {"0": number}}}
        passed.keep(str(folder), ["train"], labels, {"train": images})
        kept = passed.described()["train"]
        assert kept.formats == {"PNG gray": 1, "JPEG gray": 2}
        for name, counts in images.numbers.items():
            np.testing.assert_array_equal(kept.numbers[name], counts)
        assert passed.label_counts() == {"train": {"a": {"0": number}}}
        assert passed.statistics("train") == statistics
    assert os.listdir(tmp_path / "kept") == ["last"]
    path = tmp_path / "kept/last/label_counts.json"
    older = {name: v for name, v in json.loads(path.read_text()).items() if name != "images"}
    path.write_text(json.dumps(older))
    assert passed.described() == {}


def test_a_folder_that_cannot_be_used_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match=r"data_gate\.passed_data '.*file' can't be written"):
        PassedData(str(tmp_path / "file")).keep(str(tmp_path), [], {}, {})
    (tmp_path / "last").mkdir()
    (tmp_path / "last/label_counts.json").write_text("{")
    with pytest.raises(
        InputError,
        match=r"remove the folder last in it.*_counts\.json is damaged",
    ):
        PassedData(str(tmp_path)).label_counts()
