"""Wording of numbers and codes on the page: small pure functions and tables of words."""

from __future__ import annotations

import re

from schemas import features
from schemas.documents.gate import Bounds, Rule, Subgroup
from schemas.documents.ingest import SplitCounts
from schemas.documents.run import Verdict
from schemas.documents.shift import DomainInRange

MISSING = "—"
MINUS = "\u2212"
VERDICT_TITLES: dict[Verdict, str] = {
    "pushed": "Pushed",
    "evaluated": "Evaluated, not pushed",
    "not_blessed": "Not blessed, nothing pushed",
    "inconclusive": "Not enough data to judge, nothing pushed",
    "stopped_by_data_gate": "Stopped by the data gate before training",
    "failed": "The run failed",
}
DOMAIN_TITLES: dict[features.Domain, str] = {
    features.IN_DISTRIBUTION: "In distribution",
    features.SHIFTED: "Shifted",
}
METRIC_NAMES = {
    "auc": "AUC",
    "pr_auc": "PR AUC",
    "validation_auc": "validation AUC",
    "validation_pr_auc": "validation PR AUC",
    "validation_loss": "validation loss",
    "probe_auc": "linear probe AUC on validation",
    "neighbour_auc": "nearest neighbors' AUC on validation",
    "contrastive_top1": "contrastive top-1 accuracy",
    "ppv": "positive predictive value",
    "npv": "negative predictive value",
    "brier": "Brier score",
    "ece": "calibration error (ECE)",
    "weighted_example_count": "images",
    "image/mean": "mean intensity",
    "image/std": "contrast (standard deviation of intensity)",
    "image/height": "height, pixels",
    "image/width": "width, pixels",
    "kolmogorov-smirnov": "Kolmogorov-Smirnov distance",
}
_ACRONYMS = {"auc": "AUC", "ece": "ECE", "tfma": "TFMA", "ppv": "PPV", "npv": "NPV"}
# Metrics that the gate's sentences name, but for those that are words already.
_METRICS = re.compile(
    r"\b(auc|ece|ppv|npv|brier|balanced_accuracy|calibration_(slope|intercept|error)"
    r"|(auc|sensitivity|specificity|balanced_accuracy)_by_patient|[pn]pv_at_[0-9.e-]*[0-9](_by_patient)?)\b"
)
STATUS_WORDS = {
    "pass": "pass",
    "fail": "fail",
    "inconclusive": "inconclusive",
    "not_enough_data": "not enough data",
    "not_required": "not required",
    "": MISSING,
}


def decimals(value: float | None, digits: int = 3) -> str:
    """A metric to three decimals, or a dash."""
    return MISSING if value is None else f"{value:.{digits}f}".replace("-", MINUS)


def interval(item: Bounds | Rule | Subgroup | DomainInRange | None) -> str:
    """`0.912 to 0.954`, or nothing without an interval."""
    if item is None or item.lower is None or item.upper is None:
        return ""
    return f"{decimals(item.lower)} to {decimals(item.upper)}"


def plain_number(value: float | None) -> str:
    """A number of unknown scale: whole numbers unchanged, others to four significant digits."""
    if value is None:
        return MISSING
    if float(value).is_integer() and abs(value) < 1e15:
        return plain_count(int(value))
    return f"{value:.4g}".replace("-", MINUS)


def measure(value: float | None) -> str:
    """A number among others in a table: fractions to three decimals, anything larger unchanged."""
    small = value is not None and 0.001 <= abs(value) < 10 and not float(value).is_integer()
    return decimals(value) if small else plain_number(value)


def plain_count(value: int | None) -> str:
    """A count with thin spaces between thousands."""
    return MISSING if value is None else f"{value:,}".replace(",", "\u202f")


def known_patients(counts: SplitCounts) -> str:
    """Patients of a split, as far as somebody knows whose its images are."""
    if counts.own_patients and counts.own_patients == counts.examples:
        return "not known"
    shown = plain_count(counts.patients)
    unknown = f", not known of {plain_count(counts.own_patients)} images"
    return shown + (unknown if counts.own_patients else "")


def plain_bytes(value: float | None) -> str:
    """A size in a suitable unit."""
    if value is None:
        return MISSING
    size = float(value)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"


def term(name: str) -> str:
    """`auc/edema` -> `AUC, edema`, `ece ceiling` -> `ECE ceiling`; other codes become words."""
    if name in METRIC_NAMES:
        return METRIC_NAMES[name]
    base, _, target = name.partition("/")
    parts = [_ACRONYMS.get(part, part) for part in base.replace("_", " ").split()]
    shown = METRIC_NAMES.get(base, " ".join(parts))
    return f"{shown}, {target}" if target else shown


def title(name: str) -> str:
    """A term at the beginning of a line."""
    shown = term(name)
    return shown[:1].upper() + shown[1:]


def words(text: str) -> str:
    """Names of domains and metrics inside a sentence or a slice, as words."""
    text = text.removeprefix(f"{features.DOMAIN} = ").replace(features.subgroup(""), "")
    text = text.replace(f"{features.IN_DISTRIBUTION} - ", f"{features.IN_DISTRIBUTION} {MINUS} ")
    text = text.replace(features.IN_DISTRIBUTION, "in distribution")
    return _METRICS.sub(lambda match: term(match.group()), text)
