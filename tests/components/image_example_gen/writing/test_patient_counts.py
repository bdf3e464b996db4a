"""Patients by split and class, against pandas on the same table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from components.image_example_gen.writing.patient_counts import count_patients
from trainer_modules.settings import TaskSettings


def write(folder, frame):
    """An index file for each split and part, as ingestion writes them."""
    paths = []
    for (split, part), rows in frame.groupby(["split", frame.index % 3]):
        paths.append(str(folder / f"index-{split}-{part}.parquet"))
        pq.write_table(pa.Table.from_pandas(rows, preserve_index=False), paths[-1])
    empty = folder / "index-shifted-0.parquet"
    pq.write_table(pa.Table.from_pandas(frame[:0], preserve_index=False), empty)
    return sorted([*paths, str(empty)])


def frame_of(rng, values):
    count = 500
    return pd.DataFrame(
        {
            "split": rng.choice(["train", "test"], count),
            "patient_id": [f"{n:016x}{0:016x}" for n in rng.integers(0, 90, count)],
            **{
                f"label/{name}": rng.choice(values, count).astype(np.float32) for name in ("a", "b")
            },
        }
    )


def test_patients_of_findings(tmp_path):
    task = TaskSettings(kind="multilabel", labels=("a", "b"))
    frame = frame_of(np.random.default_rng(0), [0.0, 1.0, np.nan, np.nan, np.nan])
    patients, by_class = count_patients(write(tmp_path, frame), task)
    assert set(by_class) == {"train", "test"}
    for split, rows in frame.groupby("split"):
        assert patients[split] == rows.patient_id.nunique()
        known = rows[["label/a", "label/b"]].notna().any(axis=1)
        assert by_class[split].labeled == rows.patient_id[known].nunique()
        for name in ("a", "b"):
            for value in (0, 1):
                expected = rows.patient_id[rows[f"label/{name}"] == value].nunique()
                assert by_class[split].labels[name][str(value)] == expected


def test_patients_of_classes_and_a_class_of_nobody(tmp_path):
    task = TaskSettings(kind="multiclass", labels=("a",), classes=("x", "y", "z"))
    frame = frame_of(np.random.default_rng(1), [0.0, 2.0])
    _, by_class = count_patients(write(tmp_path, frame), task)
    train = frame[frame.split == "train"]
    counts = {n: train.patient_id[train["label/a"] == v].nunique() for n, v in (("x", 0), ("z", 2))}
    assert by_class["train"].labels == {"a": {"x": counts["x"], "y": 0, "z": counts["z"]}}
