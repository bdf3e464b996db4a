"""The files that a cell writes beside its cell.json."""

from __future__ import annotations

from typing import Final

TABLE_FILE = "predictions.parquet"
WEIGHTS_FILE = "weights.npz"
SPLIT_COLUMN = "split"

TRAINED: Final = "trained"
NOT_ENOUGH_LABELS: Final = "not_enough_labels"
