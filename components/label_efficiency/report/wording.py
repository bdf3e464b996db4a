"""Wording of arms, curves and answers."""

from __future__ import annotations

import math

from components.label_efficiency.cell.settings import BIT, RANDOM, REMEDIS
from components.label_efficiency.report import curves
from components.label_efficiency.report.headlines import NOT_REACHED, REACHED, Headline
from components.reporter.page.wording import decimals

ARM_NAMES = {REMEDIS: "REMEDIS", BIT: "BiT only", RANDOM: "random init"}
ARM_NOTES = {
    REMEDIS: "the first weights, then SimCLR on images without labels",
    BIT: "the same first weights, without SimCLR",
    RANDOM: "random weights",
}
CURVE_TITLES = {
    curves.LABELS_ID: "In distribution",
    curves.LABELS_SHIFTED: "Shifted, zero-shot",
    curves.ADAPTED: "Shifted, adapted",
    curves.ADAPTED_ID: "In distribution, after adapting",
}
CURVE_LABELS = {
    curves.LABELS_ID: "in-distribution labels",
    curves.LABELS_SHIFTED: "in-distribution labels",
    curves.ADAPTED: "shifted labels",
    curves.ADAPTED_ID: "shifted labels",
}
STATUS_NAMES = {
    curves.NOT_ENOUGH_LABELS: "not enough labels",
    curves.NOT_ENOUGH_DATA: "not enough data to judge",
}


def percent(fraction: float | None) -> str:
    """`3 %`; the zero of an adaptation is `0 % (zero-shot)`."""
    if fraction is None:
        return "not reached"
    return "0 % (zero-shot)" if fraction == 0 else f"{100 * fraction:g} %"


def answer(headline: Headline) -> str:
    """The headline as a sentence."""
    where, labels = CURVE_TITLES[headline.curve], CURVE_LABELS[headline.curve]
    baseline = ARM_NAMES[headline.baseline]
    goal = f"{baseline} with 100 % (AUC {shown(headline.baseline_value)})"
    if headline.status == REACHED:
        said = f"REMEDIS matches {goal} from {percent(headline.fraction)} of the {labels} on"
    elif headline.status == NOT_REACHED:
        said = f"REMEDIS does not match {goal} at any fraction of the {labels}"
    else:
        said = f"not enough data to compare REMEDIS with {baseline}"
    return f"{where}: {said}"


def shown(value: float) -> str:
    """A metric to three decimals, or a dash if unknown."""
    return decimals(None if math.isnan(value) else value)


def interval(lower: float, upper: float) -> str:
    """`0.912 to 0.954`, or nothing when there is none."""
    return "" if math.isnan(lower) or math.isnan(upper) else f"{shown(lower)} to {shown(upper)}"


def between(bounds: tuple[int, int]) -> str:
    """A range, or one number if both are the same."""
    least, most = bounds
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"
