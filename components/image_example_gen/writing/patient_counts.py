"""Counts distinct patients over index files: in a split, and with an image of each class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from schemas import features
from schemas.documents.ingest import PatientsByClass
from trainer_modules.settings import TaskSettings

if TYPE_CHECKING:
    import pyarrow as pa


def count_patients(
    paths: Iterable[str], task: TaskSettings
) -> tuple[Counter[str], dict[str, PatientsByClass]]:
    """Patients of each split, and of each split by class.

    Holds 8 bytes an image, and 2 for each of its labels.

    Args:
        paths: index files, each of one split.
        task: labels.
    """
    import pyarrow.parquet as pq

    patients: Counter[str] = Counter()
    by_class: dict[str, PatientsByClass] = {}
    ids: dict[str, list[np.ndarray]] = {}
    labels: dict[str, list[np.ndarray]] = {}
    columns = [features.label(name) for name in task.labels]
    for path in paths:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(columns=["split", features.PATIENT_ID, *columns]):
                if batch.num_rows:
                    split = batch.column("split")[0].as_py()
                    texts = batch.column(features.PATIENT_ID).to_pylist()
                    numbers = np.array([int(text[:16], 16) for text in texts], np.uint64)
                    ids.setdefault(split, []).append(numbers)
                    labels.setdefault(split, []).append(_classes(batch, columns))
    for split, parts in ids.items():
        of_split = np.concatenate(parts)
        patients[split] = len(np.unique(of_split))
        by_class[split] = _by_class(of_split, np.concatenate(labels[split]), task)
    return patients, by_class


def _classes(batch: pa.RecordBatch, columns: list[str]) -> np.ndarray:
    """Classes of every image and label, -1 where unknown."""
    values = np.stack([batch.column(c).to_numpy(zero_copy_only=False) for c in columns], axis=1)
    return np.where(np.isnan(values), -1, values).astype(np.int16)


def _by_class(patients: np.ndarray, classes: np.ndarray, task: TaskSettings) -> PatientsByClass:
    names = task.classes or ("0", "1")

    def count(chosen: np.ndarray) -> int:
        return len(np.unique(patients[chosen]))

    return PatientsByClass(
        labeled=count(np.any(classes >= 0, axis=1)),
        labels={
            label: {name: count(classes[:, place] == value) for value, name in enumerate(names)}
            for place, label in enumerate(task.labels)
        },
    )
