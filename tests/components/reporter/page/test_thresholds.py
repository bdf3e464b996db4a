"""Decision curves show the verdict's numbers; operating points have their metrics beside them."""

import re
from xml.etree import ElementTree

from components.reporter.page import thresholds
from schemas.documents.gate import DecisionCurve
from tests.components.reporter.drawn import heights_follow, panels


def curve(finding="edema", domain="shifted", given=False, value=(0.3, 0.2, 0.1)) -> DecisionCurve:
    return DecisionCurve(
        domain=domain,
        finding=finding,
        prevalence=0.02 if given else 0.35,
        given=given,
        thresholds=(0.1, 0.2, 0.3),
        net_benefit=value,
        lower=tuple(None if one is None else one - 0.05 for one in value),
        upper=tuple(None if one is None else one + 0.05 for one in value),
        treat_all=(0.25, 0.18, 0.05),
        over_all=value,
        over_all_lower=value,
        over_all_upper=value,
    )


def texts(svg: str) -> list[str]:
    return [element.text for element in ElementTree.fromstring(svg).iter("text")]


def test_a_panel_shows_both_domains_and_both_alternatives() -> None:
    here = curve(domain="in_distribution", value=(0.34, 0.3, 0.22))
    svg = thresholds.decision_curves([here, curve()])
    (drawn,) = [lines for title, lines in panels(svg).items() if title == "net benefit"]
    # The grid's lines come first; then nobody, and each domain's model and everyone.
    nobody, *lines = drawn[-5:]
    assert [len(line) for line in lines] == [3] * 4
    shown = [[0.34, 0.3, 0.22], [0.25, 0.18, 0.05], [0.3, 0.2, 0.1], [0.25, 0.18, 0.05]]
    assert heights_follow([*lines, nobody], [*shown, [0.0, 0.0]])
    assert {"model, in distribution", "model, shifted", "treat nobody"} <= set(texts(svg))
    assert "var(--shifted)" in svg
    assert not re.search(r"#01010\d", svg)


def test_a_panel_for_each_finding_and_prevalence() -> None:
    svg = thresholds.decision_curves([curve(), curve(given=True), curve("<b>"), curve("<b>")])
    titles = {"edema", "edema, prevalence 0.02", "<b>"}
    assert titles <= set(texts(svg))
    assert len(re.findall(r'id="benefit-axes_\d+"', svg)) == 3


def test_bounds_that_are_not_known_are_not_drawn() -> None:
    assert thresholds.decision_curves([curve(value=(0.3, None, 0.1))]) is not None


def test_without_curves_or_points_there_is_nothing() -> None:
    assert thresholds.decision_curves([]) is None
    assert thresholds.points(None) == []
