"""The page's tables: content arranged into rows, without HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from components.reporter.page.content import Content
from components.reporter.page.tfma_slices import SliceMetric
from components.reporter.page.wording import DOMAIN_TITLES, title
from schemas import features
from schemas.documents.data_gate import Distance
from schemas.documents.gate import METRICS, SUBGROUP_FLOOR, Metric, Rule
from schemas.documents.ingest import QUALITY_FLAGS

# TFMA's metrics on the page, in this order; the others are in the Evaluator's artifact.
SLICE_METRICS = (
    "auc",
    "pr_auc",
    "sensitivity",
    "specificity",
    "ppv",
    "brier",
    "ece",
    "calibration",
    "weighted_example_count",
)
MAX_SLICES = 60
MAX_SITES = 40
MAX_ROWS_NAMED = 12
MAX_DISTANCES = 12
MAX_QUALITY_GROUPS = 6
AGAINST = {"domain_drift": "train", "previous_drift": "the last passed run"}


class ResultRow(NamedTuple):
    """A metric (of one target, or the mean of all) in each domain."""

    name: str
    target: str
    by_domain: Mapping[features.Domain, Metric | None]


def results(content: Content) -> list[ResultRow]:
    """Each mean metric, followed by the same metric by target."""
    metrics = content.gate.metrics if content.gate else {}
    names = list(dict.fromkeys(name for by_name in metrics.values() for name in by_name))
    names = [name for name in names if "@" not in name]  # operating points have their own table
    order = {name: place for place, name in enumerate(METRICS)}
    names.sort(key=lambda name: (order.get(name.partition("/")[0], len(order)), "/" in name))
    rows = []
    for name in names:
        base, _, target = name.partition("/")
        by_domain = {domain: metrics.get(domain, {}).get(name) for domain in DOMAIN_TITLES}
        rows.append(ResultRow(title(base), target, by_domain))
    return rows


class Rules(NamedTuple):
    """The gate's rules, grouped for the page."""

    judged: list[Rule]
    groups_passed: int
    not_required: list[Rule]


def rules(content: Content) -> Rules:
    """Groups the rules: separates those shown in the table of groups, and those not required."""
    found = content.gate.rules if content.gate else ()
    groups = [rule for rule in found if rule.name == SUBGROUP_FLOOR and rule.status == "pass"]
    waived = [rule for rule in found if rule.status == "not_required"]
    judged = [rule for rule in found if rule not in groups and rule not in waived]
    return Rules(judged, len(groups), waived)


class SliceTable(NamedTuple):
    """TFMA's metrics: by slice, a line for each target and a column for each metric."""

    metrics: list[str]
    with_target: bool
    slices: list[tuple[str, list[tuple[str, dict[str, float | None]]]]]
    left_out: int


def slices(content: Content) -> SliceTable:
    """Pivots TFMA's rows, slices by label value last."""
    lines: dict[str, dict[str, dict[str, float | None]]] = {}
    for row in _with_targets(content.slices):
        if row.metric in SLICE_METRICS:
            lines.setdefault(row.slice, {}).setdefault(row.output, {})[row.metric] = row.value
    found = {m for targets in lines.values() for values in targets.values() for m in values}
    label = f", {features.label('')}"
    ordered = sorted(lines, key=lambda name: (name != "overall", label in name, name))
    return SliceTable(
        metrics=[metric for metric in SLICE_METRICS if metric in found],
        with_target=any(len(targets) > 1 for targets in lines.values()),
        slices=[(name, list(lines[name].items())) for name in ordered[:MAX_SLICES]],
        left_out=max(0, len(ordered) - MAX_SLICES),
    )


def _with_targets(found: tuple[SliceMetric, ...]) -> list[SliceMetric]:
    """Omits TFMA's mean over targets if there is only one target."""
    targets = {row.output for row in found} - {""}
    return [row for row in found if row.output or len(targets) != 1]


class NamedRows(NamedTuple):
    """Images left out for one reason, or kept with one flag; `rows` are the first of them."""

    reason: str
    images: int
    rows: list[int]
    more: int


def quarantine(content: Content) -> list[NamedRows]:
    """Reasons, the most frequent first."""
    if content.ingest is None:
        return []
    listed = [(item.reason, item.row) for item in content.ingest.quarantined]
    return _named_rows(content.ingest.reasons, listed)


class QualityRow(NamedTuple):
    """Images with a flag of quality; sites and classes with their number and fraction."""

    flag: str
    images: int
    sites: list[tuple[str, int, float]]
    classes: list[tuple[str, int, float]]


def flags(content: Content) -> list[NamedRows]:
    """What was guessed of images that were kept, the most frequent first."""
    if content.ingest is None:
        return []
    listed = [(item.flag, item.row) for item in content.ingest.flagged]
    return _named_rows(content.ingest.flags, listed)


def quality(content: Content) -> list[QualityRow]:
    """Flags of image quality by site and class, the most frequent first."""
    ingest = content.ingest
    if ingest is None:
        return []
    found = [flag for flag in QUALITY_FLAGS if ingest.flags.get(flag)]
    return [
        QualityRow(
            flag,
            ingest.flags[flag],
            _parts(ingest.flagged_by[flag].sites, ingest.by_site),
            _parts(ingest.flagged_by[flag].classes, ingest.by_class),
        )
        for flag in sorted(found, key=lambda flag: -ingest.flags[flag])
    ]


def _parts(counts: Mapping[str, int], totals: Mapping[str, int]) -> list[tuple[str, int, float]]:
    """The largest fractions: group, images with the flag, and of how many they are."""
    parts = [(name, count, count / totals[name]) for name, count in counts.items()]
    return sorted(parts, key=lambda part: -part[2])[:MAX_QUALITY_GROUPS]


def _named_rows(counts: Mapping[str, int], listed: Sequence[tuple[str, int]]) -> list[NamedRows]:
    result = []
    for reason, count in sorted(counts.items(), key=lambda item: -item[1]):
        rows = [row for name, row in listed if name == reason][:MAX_ROWS_NAMED]
        result.append(NamedRows(reason, count, rows, count - len(rows)))
    return result


def labels(content: Content) -> list[tuple[str, str, list[int]]]:
    """Images of each label and value by split, without values that no split has."""
    splits = content.ingest.splits if content.ingest else {}
    seen = dict.fromkeys(
        (label, value)
        for counts in splits.values()
        for label, values in counts.labels.items()
        for value in values
    )
    rows = [
        (label, value, [c.labels.get(label, {}).get(value, 0) for c in splits.values()])
        for label, value in seen
    ]
    return [row for row in rows if any(row[2])]


class Sites(NamedTuple):
    """Images of the largest sites by split."""

    rows: list[tuple[str, list[int]]]
    left_out: int


def sites(content: Content) -> Sites:
    """Sites by number of images."""
    by_split = content.ingest.sites if content.ingest else {}
    totals: dict[str, int] = {}
    for counts in by_split.values():
        for site, count in counts.items():
            totals[site] = totals.get(site, 0) + count
    names = sorted(totals, key=lambda site: (-totals[site], site))
    splits = content.ingest.splits if content.ingest else {}
    rows = [
        (site, [by_split.get(split, {}).get(site, 0) for split in splits])
        for site in names[:MAX_SITES]
    ]
    return Sites(rows, max(0, len(names) - MAX_SITES))


class ShiftRow(NamedTuple):
    """A quantity in both domains, and the distance between them."""

    feature: str
    quantity: str
    by_domain: dict[str, float | None]
    distances: list[tuple[str, float | None]]


def domain_shift(content: Content) -> list[ShiftRow]:
    """Groups the data gate's statistics by feature.

    A statistic named `QUANTITY DOMAIN` is that quantity in that domain; any other is a distance.
    """
    rows: dict[str, ShiftRow] = {}
    for item in content.data_gate.drift if content.data_gate else ():
        row = rows.setdefault(item.feature, ShiftRow(item.feature, "", {}, []))
        quantity, _, domain = item.statistic.rpartition(" ")
        if quantity and domain in DOMAIN_TITLES:
            row.by_domain[domain] = item.value
            rows[item.feature] = row._replace(quantity=quantity)
        else:
            row.distances.append((item.statistic, item.value))
    return list(rows.values())


def distances(content: Content) -> list[tuple[str, Distance]]:
    """The largest of the data gate's distances: what the split is compared with, and it."""
    found = content.data_gate.distances if content.data_gate else {}
    rows = [
        (AGAINST.get(check, check), item)
        for check, items in found.items()
        for item in sorted(items, key=lambda item: -(item.value or 0))[:MAX_DISTANCES]
    ]
    return [row for row in rows if row[1].value is not None]


def training(content: Content) -> list[dict[str, Any]]:
    """Size, speed and last metrics of each trained stage."""
    stages = []
    for stage, history in (
        ("Upstream training, on natural images", content.upstream),
        ("Pretraining", content.pretrain),
        ("Finetuning", content.finetune),
    ):
        if history is None or not history.epochs:
            continue
        speeds = sorted(epoch.images_per_second for epoch in history.epochs)
        last = history.epochs[-1].metrics
        del last["learning_rate"]
        stages.append(
            {
                "title": stage,
                "history": history,
                "last": last,
                "seconds": sum(epoch.seconds for epoch in history.epochs),
                "images_per_second": speeds[len(speeds) // 2],
            }
        )
    return stages
