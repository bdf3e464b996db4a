"""Performance by image statistics: does the model get worse where exposure or size drift?

Each statistic is cut at the quintiles of the in-distribution images. How many images of each domain
fall into a part shows how far the domains are apart; the AUC in it shows whether that matters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from components.statistics import delong
from components.statistics.judged_rows import JudgedRows
from schemas import features
from schemas.documents.shift import DomainInRange, ImageFigure, Range

if TYPE_CHECKING:
    import pandas as pd

STATISTICS = ("mean", "std", "height", "width")
PARTS = 5
MIN_PATIENTS = 20


def performance_by_statistic(
    table: pd.DataFrame, images: pd.DataFrame, targets: Sequence[str], confidence: float
) -> list[ImageFigure]:
    """AUC of each domain in each part of the range of each statistic.

    Args:
        table: Predictions of the test data of both domains.
        images: Ingestion's index: `image_id` and the statistics.
        targets: Names of the targets.
        confidence: Of DeLong's interval, patients as clusters.

    Returns:
        An entry for each statistic that varies.
    """
    known = [name for name in STATISTICS if name in images]
    columns = images.drop_duplicates("image_id").set_index("image_id")[known]
    joined = table.join(columns, on=features.IMAGE_ID, rsuffix=" of the index")
    entries = (_entry(joined, name, targets, confidence) for name in known)
    return [entry for entry in entries if entry is not None]


def _entry(
    joined: pd.DataFrame, name: str, targets: Sequence[str], confidence: float
) -> ImageFigure | None:
    joined = joined[np.isfinite(joined[name])]
    values = {
        domain: joined.loc[joined[features.DOMAIN] == domain, name].to_numpy(np.float64)
        for domain in features.DOMAINS
    }
    inside = values[features.IN_DISTRIBUTION]
    if not len(inside) or joined[name].nunique() < 2:
        return None
    edges = np.unique(np.quantile(inside, np.arange(1, PARTS) / PARTS))
    part = np.searchsorted(edges, joined[name].to_numpy(np.float64), side="right")
    bounds = [None, *map(float, edges), None]

    def judged(place: int, domain: features.Domain) -> DomainInRange:
        rows = joined[(part == place) & (joined[features.DOMAIN] == domain)]
        return _judged(rows, len(values[domain]), targets, confidence)

    return ImageFigure(
        figure=name,
        drift=_distance(*values.values()),
        parts=tuple(
            Range(
                start=bounds[place],
                end=bounds[place + 1],
                in_distribution=judged(place, features.IN_DISTRIBUTION),
                shifted=judged(place, features.SHIFTED),
            )
            for place in range(len(edges) + 1)
        ),
    )


def _judged(
    rows: pd.DataFrame, total: int, targets: Sequence[str], confidence: float
) -> DomainInRange:
    records = None if rows.empty else JudgedRows.from_table(rows, targets)
    found = None
    if records is not None and records.patients >= MIN_PATIENTS:
        found = delong.interval(records, confidence)
    judged = found if found is not None and found.judged else None
    return DomainInRange(
        share=len(rows) / total if total else None,
        patients=records.patients if records is not None else 0,
        auc=judged.value if judged else None,
        lower=judged.lower if judged else None,
        upper=judged.upper if judged else None,
        status="judged" if judged else "not_enough_data",
    )


def _distance(first: np.ndarray, second: np.ndarray) -> float | None:
    from scipy import stats

    if not len(first) or not len(second):
        return None
    return float(stats.ks_2samp(first, second).statistic)
