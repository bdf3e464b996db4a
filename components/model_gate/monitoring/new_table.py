"""A table of new predictions, labelled or not, in the form in which tables are judged."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from components.model_gate.standalone import predict_columns, prediction_table, statistic_columns
from components.model_gate.standalone.finding_columns import DECISION, LABEL, SCORE
from schemas import features
from schemas.documents.reference import Reference
from schemas.errors import InputError
from trainer_modules.settings import TaskSettings

if TYPE_CHECKING:
    import pandas as pd

_PASSED_ON = (features.PATIENT_ID, features.DOMAIN, features.SITE, predict_columns.LEFT_OUT)
_PLACEHOLDER = 0.5  # replaced by each finding's own threshold, or not used


@dataclasses.dataclass(frozen=True, eq=False)
class NewTable:
    """New predictions.

    Attributes:
        table: Columns as the Predictor writes them.
        task: The verdict's findings.
        domain: The blessed domain with which it is compared.
        decided: Whether its decisions are those of the released model.
        notes: What is odd about the table.
    """

    table: pd.DataFrame
    task: TaskSettings
    domain: features.Domain
    decided: bool
    notes: tuple[str, ...]

    @property
    def labelled(self) -> np.ndarray:
        """Rows with a label of at least one target."""
        weights = [features.label_weight(target) for target in self.task.targets]
        return (self.table[weights].to_numpy() > 0).any(axis=1)

    def digest(self, *options: object) -> str:
        """SHA-256 of the content and of options, whatever the order of the rows."""
        import pandas as pd

        known = self.table.drop(columns=features.IMAGE_ID)
        rows = pd.util.hash_pandas_object(known[sorted(known)], index=False).to_numpy()
        found = hashlib.sha256(np.sort(rows).tobytes())
        found.update(repr((sorted(known), self.domain, *options)).encode())
        return found.hexdigest()


def prepare(
    raw: pd.DataFrame, reference: Reference, domain: str, threshold: float | None
) -> NewTable:
    """Checks a new table.

    Args:
        raw: Columns of text, as `prediction_file` reads them.
        reference: The verdict's.
        domain: With which to compare; empty: what the table says, or else in distribution.
        threshold: Of the decisions; None: the verdict's, or else the table's own decisions.

    Raises:
        InputError: A column is missing, or a value is not accepted.
    """
    raw, chosen, notes = _of_domain(raw, domain)
    if chosen not in reference:
        raise InputError(
            f"--domain {chosen}: the verdict has no reference of it, but of "
            f"{', '.join(reference) or 'none'}"
        )
    blessed = reference[chosen]
    if not blessed.targets:
        raise InputError(f"the verdict's reference of {chosen} has no scores of any finding")
    read = _of_classes if blessed.exclusive else _of_findings
    known = read(raw, tuple(blessed.targets))
    own = any(name.startswith(DECISION) for name in known)
    # Classes have no threshold: one that is given is refused.
    at = threshold if blessed.exclusive else None if own else _PLACEHOLDER
    found = prediction_table.prepare(
        known.assign(**{features.DOMAIN: chosen}), at, both_classes=False
    )
    names = dict(zip(found.task.targets, blessed.targets, strict=True))
    table = found.table.rename(columns=_own_names(names))
    if blessed.exclusive:
        return NewTable(table, found.task, chosen, True, (*notes, *found.notes))
    thresholds = {
        name: one.threshold if threshold is None else threshold
        for name, one in blessed.targets.items()
    }
    if decided := None not in thresholds.values():
        for name, least in thresholds.items():
            score = table[features.prediction(name)]
            table[features.decision(name)] = np.where(score.isna(), np.nan, score >= least)
    task = TaskSettings(kind=found.task.kind, labels=tuple(blessed.targets))
    return NewTable(table, task, chosen, decided or own, (*notes, *found.notes))


def _of_domain(raw: pd.DataFrame, asked: str) -> tuple[pd.DataFrame, features.Domain, list[str]]:
    """The rows to monitor and the blessed domain with which to compare them."""
    present: list[str] = []
    if features.DOMAIN in raw:
        unknown = ~raw[features.DOMAIN].isin(["", *features.DOMAINS])
        if unknown.any():
            raise InputError(
                f"predictions, row {unknown.idxmax()} ({int(unknown.sum())} such rows): column "
                f"'{features.DOMAIN}' is not one of {', '.join(features.DOMAINS)}, or empty"
            )
        present = [one for one in features.DOMAINS if (raw[features.DOMAIN] == one).any()]
    wanted = next((one for one in features.DOMAINS if one == asked), None)
    if len(present) == len(features.DOMAINS):
        if wanted is None:
            raise InputError(
                "predictions: column 'domain' has both domains; give --domain in_distribution or "
                "--domain shifted, whose rows are then compared with the same of the verdict"
            )
        return raw[raw[features.DOMAIN] == wanted], wanted, []
    told = next((one for one in features.DOMAINS if one in present), None)
    notes = []
    if wanted is not None and told is not None and wanted != told:
        notes = [f"the table says that it is {told}; it is compared with {wanted}, as asked"]
    return raw, wanted or told or features.IN_DISTRIBUTION, notes


def _of_findings(raw: pd.DataFrame, targets: tuple[str, ...]) -> pd.DataFrame:
    """The columns that monitoring uses, with empty labels where there are none."""
    named = any(column.startswith(f"{SCORE}/") for column in raw)
    found = {}
    for target in targets:
        # Of a single finding, the name may be left out in one table and not in the other.
        own = f"/{target}" if named else ""
        kept = f"/{target}" if len(targets) > 1 else ""
        found[SCORE + kept] = _scores(raw, SCORE + own, targets)
        found[LABEL + kept] = raw.get(LABEL + own, "")
        if DECISION + own in raw:
            found[DECISION + kept] = raw[DECISION + own]
    return _with_others(raw, found)


def _of_classes(raw: pd.DataFrame, classes: tuple[str, ...]) -> pd.DataFrame:
    """The same of classes, of which each image has one."""
    found = {f"{SCORE}/{name}": _scores(raw, f"{SCORE}/{name}", classes) for name in classes}
    found[LABEL] = raw.get(LABEL, "")
    if DECISION in raw:
        found[DECISION] = raw[DECISION]
    return _with_others(raw, found)


def _scores(raw: pd.DataFrame, column: str, targets: tuple[str, ...]) -> pd.Series:
    if column not in raw:
        raise InputError(
            f"predictions: column '{column}' is missing among {len(raw.columns)} columns; the "
            f"verdict is about {', '.join(targets)}"
        )
    return raw[column]


def _with_others(raw: pd.DataFrame, found: Mapping[str, object]) -> pd.DataFrame:
    import pandas as pd

    others = [name for name in raw if name in _PASSED_ON or statistic_columns.is_statistic(name)]
    return pd.DataFrame({**raw[others], **found}, index=raw.index, dtype=object)


def _own_names(names: Mapping[str, str]) -> dict[str, str]:
    kinds = (features.label, features.label_weight, features.prediction, features.decision)
    return {kind(old): kind(new) for old, new in names.items() for kind in kinds}
