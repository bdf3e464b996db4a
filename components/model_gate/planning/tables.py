"""Simulated records as a table of predictions, with the columns that the Predictor writes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from components.statistics.judged_rows import JudgedRows
from schemas import features
from trainer_modules.settings import TaskSettings

TARGET = "finding"
TASK = TaskSettings(kind="binary", labels=(TARGET,))


def predictions(
    records: JudgedRows, domain: str, groups: Mapping[str, str | np.ndarray], prefix: str = ""
) -> pd.DataFrame:
    """One row a record.

    Args:
        records: Of one finding.
        domain: Of all of them.
        groups: Subgroup columns by name: a value, or one for each record; `site` is one, too.
        prefix: Precedes the numbers of patients and images, which are to differ between tables.
    """
    named = f"{domain} {prefix}"
    columns = {
        features.IMAGE_ID: [f"{named} {one}" for one in range(records.examples)],
        features.PATIENT_ID: [f"{named} {one}" for one in records.patient],
        features.SITE: None,
        features.DOMAIN: domain,
        features.label(TARGET): records.label[:, 0],
        features.label_weight(TARGET): records.weight[:, 0],
        features.prediction(TARGET): records.score[:, 0],
        features.decision(TARGET): records.decision[:, 0],
    }
    for name, values in groups.items():
        columns[name if name == features.SITE else features.subgroup(name)] = values
    return pd.DataFrame(columns)
