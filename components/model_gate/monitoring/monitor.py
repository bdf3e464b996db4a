"""A look at new predictions of a released model: drift, estimated and measured performance."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import ValidationError

from components.model_gate.monitoring import drift, estimation, history, new_table, performance
from components.model_gate.monitoring.history import History
from components.model_gate.monitoring.new_table import NewTable
from components.model_gate.monitoring.performance import Labelled
from components.model_gate.policy.settings import GateSettings
from components.statistics.judged_rows import JudgedRows
from schemas import features
from schemas.documents.document import Damaged
from schemas.documents.gate import Bounds, GateVerdict, StandaloneVerdict
from schemas.documents.monitoring import (
    Drift,
    Estimated,
    Look,
    Measured,
    MonitoringReport,
    Status,
)
from schemas.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True)
class Options:
    """What a look is asked for.

    Attributes:
        domain: With which to compare; empty: what the table says.
        threshold: Of decisions; None: the verdict's.
        alpha: Chance of a false alarm in all looks together.
        tolerance: Distance up to which drift raises no alarm.
    """

    domain: str = ""
    threshold: float | None = None
    alpha: float = 0.05
    tolerance: float = 0.05


@dataclasses.dataclass(frozen=True, eq=False)
class Blessed:
    """The verdict on the released model, its policy, and a digest of what looks depend on."""

    verdict: GateVerdict
    settings: GateSettings
    digest: str


def read_verdict(path: str) -> Blessed:
    """Reads the verdict on the released model.

    Raises:
        InputError: There is none, it is damaged, or it has no reference.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"--blessed '{path}' can't be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise Damaged(f"--blessed '{path}' is damaged, it is not JSON: {error}") from None
    kind = StandaloneVerdict if isinstance(content, dict) and "judged" in content else GateVerdict
    verdict = kind.read_file(path)
    if not verdict.reference:
        raise InputError(
            f"--blessed '{path}' has no reference, with which to compare new tables: an earlier "
            "version wrote it, or it is about fewer than five patients. Judge the blessed table "
            "again: python -m components.model_gate --predictions TABLE --output VERDICT"
        )
    try:
        settings = GateSettings.model_validate(verdict.settings)
    except ValidationError:
        raise InputError(
            f"--blessed '{path}': another version wrote its policy; judge the blessed table again"
        ) from None
    kept = {name: one.model_dump(mode="json") for name, one in verdict.reference.items()}
    text = json.dumps([kept, verdict.settings], sort_keys=True)
    return Blessed(verdict, settings, hashlib.sha256(text.encode()).hexdigest())


def look(
    blessed: Blessed, raw: pd.DataFrame, record: History, options: Options
) -> MonitoringReport:
    """Compares new predictions with the verdict, and adds the look to the history.

    Args:
        blessed: The verdict.
        raw: The new table, columns of text.
        record: Looks so far.
        options: What is asked for.

    Raises:
        InputError: The table is not acceptable, or the history can't be written.
    """
    record.check_alpha(options.alpha)
    new = new_table.prepare(raw, blessed.verdict.reference, options.domain, options.threshold)
    digest = new.digest(options.threshold, options.tolerance)
    before = record.earlier(digest)
    number = before.look if before else len(record.looks) + 1
    spent = history.spent(options.alpha, number)
    found = tested(blessed, new, spent, options.tolerance)
    estimates = _estimated(blessed, new, found)
    status: Status = "alarm" if found.alarms else "no_alarm"
    if not found.tests and not found.alarms:
        status = "too_few_data"
    own = before
    if own is None and found.tests:
        own = Look(
            look=number,
            verdict=blessed.digest,
            data=digest,
            domain=new.domain,
            time=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            alpha=options.alpha,
            spent=spent,
            tests=found.tests,
            status=status,
            patients=_patients(new.table),
            distance={one.column: one.distance for one in found.drift},
            estimated={one.target: _bounds(one) for one in estimates if one.metric == "auc"},
            measured={one.metric: _bounds(one) for one in found.measured if one.metric == "auc"},
        )
        record.add(own)
    return MonitoringReport(
        status=status,
        alarms=found.alarms,
        warnings=(*_warnings(blessed, new, found, estimates), *new.notes),
        domain=new.domain,
        rows=len(new.table),
        patients=_patients(new.table),
        labelled=int(new.labelled.sum()),
        look=own,
        repeated=before is not None,
        earlier=tuple(one for one in record.looks if own is None or one.look < own.look),
        tolerance=options.tolerance,
        drift=tuple(found.drift),
        estimated=tuple(estimates),
        measured=tuple(found.measured),
        sites=tuple(drift.sites(new.table, blessed.verdict.reference[new.domain])),
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Found:
    """What the tests of a look found.

    Attributes:
        tests: How many there were.
        drift: Of each column.
        measured: Performance by labels.
        unscored: Images without a score.
    """

    tests: int
    drift: Sequence[Drift]
    measured: Sequence[Measured]
    unscored: int

    @property
    def alarms(self) -> tuple[str, ...]:
        """A sentence for each alarm."""
        said = [one.message for one in self.drift if one.status == "drift"]
        said += [one.message for one in self.measured if one.status == "alarm"]
        if self.unscored:
            said.insert(0, f"{self.unscored} images have no score, which a blessed model gives")
        return tuple(said)


def tested(blessed: Blessed, new: NewTable, spent: float, tolerance: float) -> Found:
    """Tests drift, and performance where there are labels.

    Args:
        blessed: The verdict.
        new: The new table.
        spent: What the look may spend, divided equally among the tests. How many there are follows
            from numbers of patients, not from what is found.
        tolerance: Distance up to which drift raises no alarm.
    """
    reference = blessed.verdict.reference[new.domain]
    rules = getattr(blessed.settings, new.domain)
    scores = new.table[[features.prediction(name) for name in new.task.targets]].to_numpy()
    samples = drift.samples(new.table, reference, rules.min_patients)
    labels = _labelled(blessed, new)
    tests = sum(not one.lacks for one in samples) + (labels.tests if labels else 0)
    alpha = spent / max(1, tests)
    return Found(
        tests=tests,
        drift=drift.judged(samples, alpha, tolerance),
        measured=performance.judged(labels, alpha, _known(blessed, new)) if labels else [],
        unscored=int((~np.isfinite(scores)).any(axis=1).sum()),
    )


def _known(blessed: Blessed, new: NewTable) -> dict[str, float | None]:
    """The verdict's values by metric."""
    metrics = blessed.verdict.metrics.get(new.domain, {})
    return {name: one.value for name, one in metrics.items()}


def _estimated(blessed: Blessed, new: NewTable, found: Found) -> list[Estimated]:
    reference = blessed.verdict.reference[new.domain]
    drifted = any(one.status == "drift" for one in found.drift)
    known = _known(blessed, new)
    return list(
        estimation.estimated(new.table, reference, known, decided=new.decided, drifted=drifted)
    )


def _labelled(blessed: Blessed, new: NewTable) -> Labelled | None:
    """None without labels, or where images without a score leave nothing to measure."""
    if not new.labelled.any():
        return None
    records = JudgedRows.of_task(new.table, new.task)
    return performance.labelled(records, blessed.settings, new.domain, decided=new.decided)


def _warnings(
    blessed: Blessed, new: NewTable, found: Found, estimates: Sequence[Estimated]
) -> Iterator[str]:
    if not blessed.verdict.blessed:
        yield f"the verdict did not bless the model: it was {blessed.verdict.outcome}"
    yield from drift.absent(new.table, blessed.verdict.reference[new.domain])
    yield from (one.message for one in found.drift if one.status in ("small", "not_enough_data"))
    yield from (one.message for one in found.measured if one.status == "not_enough_data")
    if not new.decided:
        yield (
            "no decisions: neither the verdict has a threshold nor the table a column 'decision'; "
            "sensitivity and specificity are not known (--threshold gives one)"
        )
    if not estimates:
        yield (
            "performance is not estimated: too few patients, images without a score, or no "
            "meaning of scores in the verdict, which takes labels of both classes"
        )
    else:
        yield from estimation.misfits(blessed.verdict.reference[new.domain])
    floors = getattr(blessed.settings, new.domain)
    for one in estimates:
        floor = getattr(floors, f"min_{one.metric}", None)
        if floor and one.upper is not None and one.upper < floor:
            yield (
                f"estimated {one.metric} of {one.target} is below the policy's {floor:g}: at most "
                f"{one.upper:.3f}, if {one.assumes}"
            )


def _patients(table: pd.DataFrame) -> int:
    return int(table[features.PATIENT_ID].nunique())


def _bounds(one: Estimated | Measured) -> Bounds:
    return Bounds(value=one.value, lower=one.lower, upper=one.upper)
