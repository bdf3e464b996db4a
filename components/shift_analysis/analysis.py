"""One document with all analyses under shift, for the report and for programs."""

from __future__ import annotations

import glob
import os

import numpy as np
import pandas as pd

from components.predictor import embedding_table
from components.shift_analysis import domain_probe, image_statistics, slices
from schemas import features
from schemas.documents.shift import DomainAndLabel, ShiftAnalysis
from schemas.errors import InputError

PREDICTIONS = "predictions.parquet"
CONFIDENCE = 0.95  # of DeLong's intervals
INDEX = "index-*.parquet"
_SPLIT = "split"


def analyze(predictions: str, images: str = "", embeddings: str = "") -> ShiftAnalysis:
    """Analyzes slices, image statistics and the embedding on the test data of both domains.

    Args:
        predictions: A folder that the Predictor wrote.
        images: The ingest report's folder, for its index; empty: skips performance by image
            statistics.
        embeddings: A folder of `embeddings-*.parquet`; empty: that of the predictions.

    Raises:
        InputError: A table is missing or lacks a column.
    """
    table = _read(os.path.join(predictions, PREDICTIONS))
    if _SPLIT in table:
        table = table[table[_SPLIT].isin([features.TEST, features.SHIFTED])]
    targets = _targets(table)
    columns = [
        name
        for name in table.columns
        if name == features.SITE or name.startswith(features.subgroup(""))
    ]
    image_figures = probes = None
    if images:
        names = ["image_id", *image_statistics.STATISTICS]
        index = pd.concat([_read(path, names) for path in _index(images)], ignore_index=True)
        image_figures = image_statistics.performance_by_statistic(table, index, targets, CONFIDENCE)
    if files := embedding_table.files(embeddings or predictions):
        probes = _probes(table, targets, embedding_table.read(files))
    return ShiftAnalysis(
        worst_slices=slices.worst_slices(table, targets, columns),
        image_figures=image_figures,
        probes=probes,
    )


def _probes(
    table: pd.DataFrame, targets: list[str], embedded: dict[str, np.ndarray]
) -> dict[str, DomainAndLabel]:
    """Probes for each target, on the judged images with an embedding."""
    place = pd.Series(np.arange(len(embedded[features.IMAGE_ID])), embedded[features.IMAGE_ID])
    place = place[~place.index.duplicated()]
    table = table[table[features.IMAGE_ID].isin(place.index)]
    embedding = embedded[embedding_table.EMBEDDING][place[table[features.IMAGE_ID]].to_numpy()]
    return {
        target: domain_probe.domain_and_label(
            embedding,
            table[features.DOMAIN].to_numpy(str),
            table[features.label(target)].to_numpy(np.float64),
            table[features.label_weight(target)].to_numpy(np.float64),
            table[features.PATIENT_ID].to_numpy(str),
        )
        for target in targets
    }


def _index(folder: str) -> list[str]:
    found = sorted(glob.glob(os.path.join(glob.escape(folder), INDEX)))
    if not found:
        raise InputError(f"images '{folder}' hold no {INDEX}: the ingest report's folder is needed")
    return found


def _read(path: str, columns: list[str] | None = None) -> pd.DataFrame:
    import pyarrow as pa

    try:
        return pd.read_parquet(path, columns=columns)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InputError(f"table '{path}' can't be read: {error}") from None


def _targets(table: pd.DataFrame) -> list[str]:
    prefix = features.prediction("")
    targets = [name.removeprefix(prefix) for name in table.columns if name.startswith(prefix)]
    wanted = [features.IMAGE_ID, features.PATIENT_ID, features.DOMAIN]
    for target in targets:
        wanted += [
            features.label(target),
            features.label_weight(target),
            features.decision(target),
        ]
    missing = [name for name in wanted if name not in table]
    if missing or not targets:
        raise InputError(
            f"the predictions have the columns {list(table.columns)} and lack "
            f"{missing or [prefix + 'NAME']}"
        )
    return targets
