"""Operating points: thresholds from validation rows, carried to the judged ones."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import metrics as sk

from components.model_gate.policy.settings import DomainRules, GateSettings, InconclusiveRules
from components.model_gate.rules import domain_rules, operating_points, verdict_document
from components.model_gate.rules.evidence import collect
from trainer_modules.settings import TaskSettings

TASK = TaskSettings(kind="binary", labels=("edema",))
# The made scores are no probabilities, only in the right order.
ORDER_ALONE = {
    "calibration_slope": None,
    "calibration_intercept": None,
    "max_calibration_error": 1.0,
}
PLAIN = {
    "resamples": 200,
    "in_distribution": {"min_auc": 0.6, **ORDER_ALONE},
    "shifted": {"min_auc": 0.6, **ORDER_ALONE},
    "require_evaluator": False,
    "require_serving": False,
}
FLOORS = {"min_sensitivity": 0.75, "min_specificity": 0.75}
POINT = {"name": "screen", "at_sensitivity": 0.9, "in_distribution": FLOORS, "shifted": FLOORS}


def policy(*points, **more) -> GateSettings:
    return GateSettings(**PLAIN | {"operating_points": points} | more)


@pytest.fixture(scope="module")
def tables(make_table) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Judged and validation predictions of a model that is as good in both domains."""
    judged = [
        make_table("in_distribution", patients=300, seed=1),
        make_table("shifted", patients=300, seed=2),
    ]
    validation = make_table("in_distribution", patients=300, seed=3)
    validation["patient_id"] = "validation-" + validation["patient_id"]
    return pd.concat(judged, ignore_index=True), validation


def verdict_on(tables, settings, task=TASK):
    judged, validation = tables
    evidence = collect(judged, task, ("sex",), settings, validation=validation)
    return domain_rules.judge(evidence, settings), evidence


def at_points(verdict) -> dict[tuple[str, str], str]:
    return {
        (rule.slice, rule.metric): rule.status
        for rule in verdict.rules
        if rule.name.startswith("operating point")
    }


def raised(table: pd.DataFrame, by: float) -> pd.DataFrame:
    """Shifted scores with higher log odds, all by the same: the AUC stays as it is."""
    score = table["prediction/edema"]
    odds = np.log(score / (1 - score)) + by * (table["domain"] == "shifted")
    return table.assign(**{"prediction/edema": 1 / (1 + np.exp(-odds))})


def test_a_good_model_is_blessed_and_judged_where_validation_put_the_threshold(tables):
    verdict, evidence = verdict_on(tables, policy(POINT))
    assert verdict.blessed, verdict.reasons
    judged, validation = tables
    (chosen,) = evidence.points
    threshold = chosen.thresholds["edema"].value
    # The most specific of all cuts that find nine of ten positives of the validation rows.
    label, score = validation["label/edema"], validation["prediction/edema"]
    found = max(cut for cut in score if sk.recall_score(label, score >= cut) >= 0.9)
    assert score[score < found].max() < threshold < found
    assert chosen.thresholds["edema"].patients == 100
    for domain, metrics in evidence.metrics.items():
        rows = judged[judged["domain"] == domain]
        counts = sk.confusion_matrix(rows["label/edema"], rows["prediction/edema"] >= threshold)
        (well, false), (missed, true) = counts
        assert metrics["sensitivity@screen"].value == pytest.approx(true / (true + missed))
        assert metrics["specificity@screen"].value == pytest.approx(well / (well + false))
        assert metrics["ppv@screen"].value == pytest.approx(true / (true + false))
    by_patient = {metric for _, metric in at_points(verdict) if "by_patient" in metric}
    assert by_patient == {"sensitivity_by_patient@screen", "specificity_by_patient@screen"}
    message = next(r.message for r in verdict.rules if r.metric == "sensitivity@screen")
    assert f"threshold {threshold:.3g} chosen on 100 positive patients" in message


def test_a_threshold_that_moves_under_shift_is_refused_for_the_specificity_lost_there(tables):
    judged, validation = tables
    verdict, evidence = verdict_on((raised(judged, 1.5), validation), policy(POINT))
    assert verdict.outcome == "refused"
    failed = {(rule.slice, rule.metric) for rule in verdict.rules if rule.status == "fail"}
    assert failed == {
        ("shifted", "specificity@screen"),
        ("shifted", "specificity_by_patient@screen"),
    }
    assert evidence.metrics["shifted"]["sensitivity@screen"].value > 0.9
    # The AUC sees nothing of it.
    usual = collect(judged, TASK, (), policy()).metrics["shifted"]["auc"]
    assert evidence.metrics["shifted"]["auc"].value == pytest.approx(usual.value)
    # The other way, the sensitivity is lost.
    verdict, _ = verdict_on((raised(judged, -1.5), validation), policy(POINT))
    assert at_points(verdict)["shifted", "sensitivity@screen"] == "fail"
    assert at_points(verdict)["shifted", "specificity@screen"] == "pass"


def test_judged_rows_and_the_shifted_domain_never_choose(tables):
    judged, validation = tables
    one = verdict_on(tables, policy(POINT))[1].points[0].thresholds
    other = verdict_on((raised(judged, 3.0), validation), policy(POINT))[1].points[0].thresholds
    assert one == other
    elsewhere = judged[judged["domain"] == "shifted"].assign(**{"prediction/edema": 0.5})
    more = pd.concat([validation, elsewhere], ignore_index=True)
    assert verdict_on((judged, more), policy(POINT))[1].points[0].thresholds == one


NEEDED = "needed: rows of split validation, domain in_distribution, with labels of both classes"


@pytest.mark.parametrize(
    ("rows", "outcome", "reason"),
    [
        (lambda table: None, "refused", "there are no in-distribution validation rows"),
        (lambda table: table.iloc[:0], "refused", "there are no in-distribution validation rows"),
        (
            lambda table: table.assign(domain="shifted"),
            "refused",
            "there are no in-distribution validation rows",
        ),
        (
            lambda table: table.iloc[:48],
            "inconclusive",
            "8 patients with positive images among the validation rows are fewer than the "
            "required 10",
        ),
        (lambda table: table[table["label/edema"] == 1], "inconclusive", "row is negative"),
        (
            lambda table: table.assign(**{"label/edema/weight": 0.0}),
            "inconclusive",
            "0 patients with positive images",
        ),
    ],
)
def test_what_no_validation_rows_choose_is_not_judged_and_not_waived(tables, rows, outcome, reason):
    judged, validation = tables
    verdict, evidence = verdict_on((judged, rows(validation)), policy(POINT))
    assert verdict.outcome == outcome
    (line,) = verdict.reasons
    assert line.startswith("operating point 'screen': ")
    assert reason in line
    assert NEEDED in line
    assert not any("@" in name for name in evidence.metrics["shifted"])
    # Nothing may pass: not in domains either where the policy warns instead of refusing.
    lenient = policy(POINT, inconclusive=InconclusiveRules(domains="warn"))
    assert not verdict_on((judged, rows(validation)), lenient)[0].blessed
    document = verdict_document.verdict_document(verdict, evidence, policy(POINT))
    assert reason in document.operating_points[0].problem


def test_a_point_without_floors_is_reported_or_its_absence_told(tables):
    judged, validation = tables
    plain = policy({"name": "screen", "at_specificity": 0.8})
    verdict, evidence = verdict_on((judged, validation), plain)
    assert verdict.blessed
    assert at_points(verdict) == {}
    document = verdict_document.verdict_document(verdict, evidence, plain)
    (point,) = document.operating_points
    assert (point.rule, point.at_least, point.problem) == ("specificity", 0.8, "")
    assert point.thresholds[0].patients == 200
    assert point.thresholds[0].specificity.value >= 0.8
    assert document.metrics["shifted"]["specificity@screen"].lower > 0.6
    verdict, _ = verdict_on((judged, None), plain)
    assert verdict.blessed
    assert any("operating point 'screen' is not measured" in one for one in verdict.warnings)


def test_few_patients_that_chose_a_threshold_are_a_warning(tables):
    judged, validation = tables
    verdict, _ = verdict_on((judged, validation.iloc[:120]), policy(POINT))
    (told,) = [one for one in verdict.warnings if "chose the threshold" in one]
    assert "20 patients with positive images chose the threshold" in told
    # Two images of a patient are not one more patient: at best, 20 of 20 are found.
    lower = float(told.partition("as low as ")[2].partition(" ")[0])
    assert 0.5 < lower < stats.binomtest(20, 20).proportion_ci().low
    assert not [one for one in verdict_on(tables, policy(POINT))[0].warnings if "chose" in one]


def test_ties_are_not_parted_by_the_threshold(tables):
    judged, validation = (
        table.assign(**{"prediction/edema": table["prediction/edema"].round(1)}) for table in tables
    )
    _, evidence = verdict_on((judged, validation), policy(POINT))
    threshold = evidence.points[0].thresholds["edema"].value
    assert not np.isin(round(threshold, 6), np.arange(11) / 10)
    rows = judged[judged["domain"] == "shifted"]
    expected = sk.recall_score(rows["label/edema"], rows["prediction/edema"] > threshold)
    assert evidence.metrics["shifted"]["sensitivity@screen"].value == pytest.approx(expected)


def test_nan_among_validation_rows_is_refused_and_among_judged_ones_has_no_rate(tables):
    judged, validation = tables
    broken = validation.copy()
    broken.loc[0, "prediction/edema"] = np.nan
    verdict, evidence = verdict_on((judged, broken), policy(POINT))
    assert evidence.points[0].lack is None
    assert verdict.reasons == ["1 of 1800 predictions are NaN or outside 0 to 1"]
    broken = judged.copy()
    broken.loc[judged["domain"] == "shifted", "prediction/edema"] = np.nan
    verdict, evidence = verdict_on((broken, validation), policy(POINT))
    assert at_points(verdict)["shifted", "sensitivity@screen"] == "fail"
    assert at_points(verdict)["shifted", "specificity@screen"] == "fail"
    assert not any(one.domain == "shifted" for one in _document(verdict, evidence).decision_curves)


def _document(verdict, evidence):
    return verdict_document.verdict_document(verdict, evidence, policy(POINT))


def test_a_domain_that_may_be_absent_needs_no_point(tables):
    judged, validation = tables
    here = judged[judged["domain"] == "in_distribution"]
    waived = policy(POINT, shifted={"required": False, **ORDER_ALONE}, max_gap=1)
    verdict, _ = verdict_on((here, validation), waived)
    assert verdict.blessed, verdict.reasons
    assert at_points(verdict)["shifted", "sensitivity@screen"] == "not_required"
    verdict, _ = verdict_on((here, validation), policy(POINT))
    assert at_points(verdict)["shifted", "sensitivity@screen"] == "not_enough_data"


def test_predictive_values_at_the_given_prevalences(tables):
    floors = {"min_npv": 0.98, "min_ppv": 0.6}
    point = {"name": "screen", "at_sensitivity": 0.9, "shifted": floors}
    verdict, evidence = verdict_on(tables, policy(point, prevalences=(0.01, 0.2)))
    metrics = evidence.metrics["shifted"]
    se, sp = metrics["sensitivity@screen"].value, metrics["specificity@screen"].value
    for share in (0.01, 0.2):
        expected = share * se / (share * se + (1 - share) * (1 - sp))
        assert metrics[f"ppv_at_{share}@screen"].value == pytest.approx(expected)
    own = metrics["sensitivity"].value, metrics["specificity"].value
    expected = 0.99 * own[1] / (0.99 * own[1] + 0.01 * (1 - own[0]))
    assert metrics["npv_at_0.01"].value == pytest.approx(expected)
    found = at_points(verdict)
    # Few of those called ill are, where one in a hundred is: the floor holds at each prevalence.
    assert found["shifted", "ppv_at_0.01@screen"] == "fail"
    assert found["shifted", "ppv_at_0.2@screen"] == "pass"
    assert found["shifted", "npv_at_0.01_by_patient@screen"] == "pass"
    assert found["shifted", "npv_at_0.2@screen"] == "fail"
    assert not any(where == "in_distribution" for where, _ in found)


def test_slices_name_metrics_at_points_and_prevalences(tables):
    judged, validation = tables
    women = (judged["subgroup/sex"] == "F") & (judged["domain"] == "shifted")
    worse = judged.copy()
    worse.loc[women, "prediction/edema"] = raised(judged, 2.0).loc[women, "prediction/edema"]
    point = {"name": "screen", "at_sensitivity": 0.9}
    metrics = ("specificity@screen", "npv_at_0.01@screen", "ppv_at_0.01")
    slices = [
        {"domain": "shifted", "group": group, "metric": metric, "at_least": 0.6}
        for group in ("sex=F", "sex=M", "")
        for metric in metrics
    ]
    verdict, _ = verdict_on((worse, validation), policy(point, prevalences=(0.01,), slices=slices))
    found = {
        (rule.slice, rule.metric): rule.status for rule in verdict.rules if "slice" in rule.name
    }
    assert found["shifted, sex=F", "specificity@screen"] == "fail"
    assert found["shifted, sex=M", "specificity@screen"] == "pass"
    assert {found[where, metrics[1]] for where in ("shifted, sex=M", "shifted")} == {"pass"}
    assert found["shifted", "ppv_at_0.01"] == "fail"


def test_of_several_findings_each_has_a_threshold_and_a_rule(make_table):
    targets = ("edema", "effusion")
    task = TaskSettings(kind="multilabel", labels=targets)
    judged = pd.concat(
        [
            make_table(domain, targets, 300, seed=s)
            for s, domain in enumerate(("in_distribution", "shifted"))
        ],
        ignore_index=True,
    )
    validation = make_table("in_distribution", targets, 300, seed=7)
    validation["prediction/effusion"] = validation["prediction/effusion"] / 2
    judged["prediction/effusion"] = judged["prediction/effusion"] / 2
    bad = judged.copy()
    shifted = judged["domain"] == "shifted"
    bad.loc[shifted, "prediction/effusion"] = bad.loc[shifted, "prediction/effusion"] / 2
    verdict, evidence = verdict_on((judged, validation), policy(POINT), task)
    assert verdict.blessed, verdict.reasons
    one, other = (evidence.points[0].thresholds[target].value for target in targets)
    assert other == pytest.approx(one / 2, abs=0.1)
    verdict, evidence = verdict_on((bad, validation), policy(POINT), task)
    found = at_points(verdict)
    assert found["shifted", "sensitivity@screen/effusion"] == "fail"
    assert found["shifted", "sensitivity@screen/edema"] == "pass"
    mean = evidence.metrics["shifted"]["sensitivity@screen"]
    alone = [evidence.metrics["shifted"][f"sensitivity@screen/{t}"].value for t in targets]
    assert mean.value == pytest.approx(np.mean(alone))
    # One finding that nothing chooses a threshold for leaves the point without a verdict.
    validation["label/effusion"] = 0.0
    verdict, _ = verdict_on((judged, validation), policy(POINT), task)
    assert verdict.outcome == "inconclusive"
    assert "0 patients with positive images of effusion" in verdict.reasons[0]


def test_a_multiclass_model_has_no_operating_point():
    task = TaskSettings(kind="multiclass", labels=("grade",), classes=("low", "high"))
    (one,) = operating_points.choose(None, task, policy(POINT))
    assert "multiclass" in one.lack.reason
    assert one.lack.absent


def test_too_few_patients_in_a_domain_leave_the_point_inconclusive(tables):
    judged, validation = tables
    few = judged[(judged["domain"] == "in_distribution") | (judged.index < 640)]
    settings = policy(POINT, shifted=DomainRules(min_auc=0.1, min_patients=10, **ORDER_ALONE))
    verdict, _ = verdict_on((few, validation), settings)
    assert at_points(verdict)["shifted", "sensitivity@screen"] == "not_enough_data"
    assert verdict.outcome == "inconclusive"


def test_curves_are_in_the_verdict_by_domain(tables):
    settings = policy(prevalences=(0.05,), decision_curve={"low": 0.1, "high": 0.5, "points": 5})
    verdict, evidence = verdict_on(tables, settings)
    curves = verdict_document.verdict_document(verdict, evidence, settings).decision_curves
    assert [(one.domain, one.given) for one in curves] == [
        ("in_distribution", False),
        ("in_distribution", True),
        ("shifted", False),
        ("shifted", True),
    ]
    judged, _ = tables
    rows = judged[judged["domain"] == "shifted"]
    label, called = rows["label/edema"], rows["prediction/edema"] >= 0.2
    expected = (label * called).mean() - ((1 - label) * called).mean() / 4
    assert curves[2].thresholds == (0.1, 0.2, 0.3, 0.4, 0.5)
    assert curves[2].net_benefit[1] == pytest.approx(expected, abs=1e-6)
    assert curves[2].lower[1] < expected < curves[2].upper[1]
    assert curves[3].prevalence == 0.05
    assert dataclasses.asdict(evidence.curves["shifted"][1])["given"]
