"""The rules, from planted evidence and planted bad models to statuses and reasons."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

from components.model_gate.policy.settings import DomainRules, GateSettings, SubgroupRules
from components.model_gate.rules import domain_rules, verdict_document
from components.model_gate.rules.evidence import Baseline, Evidence, collect
from components.model_gate.rules.groups import JUDGED, NOT_ENOUGH_DATA, Group
from components.statistics.intervals import Interval
from schemas.documents.gate import Serving
from schemas.errors import InputError
from trainer_modules.settings import TaskSettings

TASK = TaskSettings(kind="binary", labels=("edema",))
SERVING = Serving(ok=True, message="serving check: fine", latency_ms=5.0, size_bytes=1000)
NAN = float("nan")


def interval(value=0.9, lower=0.85, upper=0.95, patients=100, by_class=None) -> Interval:
    return Interval(value, lower, upper, patients, 2 * patients, by_class=by_class or {})


def evidence(**changes) -> Evidence:
    metrics = {
        "auc": interval(),
        "sensitivity": interval(),
        "specificity": interval(),
        "calibration_error": interval(0.05, 0.04, 0.08),
    }
    good = Evidence(
        metrics={"in_distribution": metrics, "shifted": dict(metrics)},
        groups=[],
        gap=interval(0.05, 0.01, 0.1),
        baseline=Baseline(),
        serving=SERVING,
        evaluator_blessed=True,
        records=400,
        not_probabilities=0,
    )
    return dataclasses.replace(good, **changes)


def replaced(domain: str, metric: str, value: Interval | None) -> Evidence:
    metrics = {name: dict(one) for name, one in evidence().metrics.items()}
    if value is None:
        metrics[domain].pop(metric)
    else:
        metrics[domain][metric] = value
    return evidence(metrics=metrics)


def statuses(verdict: domain_rules.Verdict, name: str) -> list[str]:
    return [rule.status for rule in verdict.rules if rule.name == name]


def test_good_model_is_blessed_without_reasons():
    verdict = domain_rules.judge(evidence(), GateSettings())
    assert verdict.blessed
    assert verdict.reasons == []


STRICT = GateSettings(
    in_distribution=DomainRules(
        min_auc=0.7,
        min_sensitivity=0.7,
        min_specificity=0.7,
        max_calibration_error=0.1,
        min_patients=20,
    ),
    shifted=DomainRules(min_auc=0.6, min_patients=20),
    max_gap=0.25,
    max_regression=0.05,
    subgroups=SubgroupRules(min_auc=0.5),
)


@pytest.mark.parametrize(
    ("planted", "rule", "status", "reason"),
    [
        (
            replaced("in_distribution", "auc", interval(0.75, 0.69, 0.8)),
            "auc floor",
            "inconclusive",
            "in_distribution auc: lower bound 0.690 is below the floor 0.7",
        ),
        (
            replaced("in_distribution", "auc", interval(0.65, 0.6, 0.69)),
            "auc floor",
            "fail",
            "in_distribution auc: upper bound 0.690 is below the floor 0.7",
        ),
        (
            replaced("in_distribution", "auc_by_patient", interval(0.65, 0.6, 0.69)),
            "auc floor by patient",
            "fail",
            "in_distribution auc_by_patient: upper bound 0.690 is below the floor 0.7",
        ),
        (
            replaced("in_distribution", "sensitivity", interval(0.75, 0.69, 0.8)),
            "sensitivity floor",
            "inconclusive",
            "in_distribution sensitivity: lower bound 0.690 is below the floor 0.7",
        ),
        (
            replaced("in_distribution", "specificity", interval(0.75, 0.69, 0.8)),
            "specificity floor",
            "inconclusive",
            "specificity",
        ),
        (
            replaced("in_distribution", "calibration_error", interval(0.15, 0.11, 0.2)),
            "calibration error ceiling",
            "fail",
            "lower bound 0.110 is above the ceiling 0.1",
        ),
        (
            replaced("shifted", "auc", interval(0.62, 0.59, 0.7)),
            "auc floor",
            "inconclusive",
            "shifted auc: lower bound 0.590",
        ),
        (
            replaced("shifted", "auc", interval(NAN, NAN, NAN)),
            "auc floor",
            "not_enough_data",
            "shifted auc: undefined",
        ),
        (
            replaced("shifted", "auc", interval(by_class={"positive": 9, "negative": 91})),
            "auc floor",
            "not_enough_data",
            "9 patients with positive images are fewer than the required 10",
        ),
        (
            replaced("shifted", "auc", interval(patients=19)),
            "auc floor",
            "not_enough_data",
            "19 patients are fewer than the required 20",
        ),
        (
            replaced("shifted", "auc", None),
            "auc floor",
            "not_enough_data",
            "there are no labeled images",
        ),
        (
            evidence(gap=interval(0.2, 0.1, 0.26)),
            "gap ceiling",
            "inconclusive",
            "upper bound 0.260 of the AUC lost under shift is above the ceiling 0.25",
        ),
        (evidence(gap=None), "gap ceiling", "not_enough_data", "gap between the domains"),
        (
            evidence(gap=interval(NAN, NAN, NAN)),
            "gap ceiling",
            "not_enough_data",
            "gap between the domains: undefined",
        ),
        (
            evidence(gap=interval(0.3, 0.26, 0.35)),
            "gap ceiling",
            "fail",
            "lower bound 0.260 of the AUC lost under shift is above the ceiling 0.25",
        ),
        (
            evidence(groups=[Group("shifted", "site", "b", interval(0.45, 0.4, 0.49), JUDGED)]),
            "subgroup floor",
            "fail",
            "shifted, site=b auc: upper bound 0.490 is below the floor 0.5",
        ),
        (
            evidence(groups=[Group("shifted", "site", "b", interval(NAN, NAN, NAN), JUDGED)]),
            "subgroup floor",
            "fail",
            "shifted, site=b",
        ),
        (evidence(evaluator_blessed=False), "tfma thresholds", "fail", "did not pass"),
        (evidence(evaluator_blessed=None), "tfma thresholds", "not_enough_data", "no verdict"),
        (evidence(serving=None), "serving check", "not_enough_data", "was not called"),
        (
            evidence(serving=Serving(ok=False, message="serving check: crashed")),
            "serving check",
            "fail",
            "crashed",
        ),
        (
            evidence(not_probabilities=3),
            "probabilities",
            "fail",
            "3 of 400 predictions are NaN or outside 0 to 1",
        ),
        (evidence(records=0), "probabilities", "not_enough_data", "no predictions"),
        (
            evidence(baseline=Baseline("7", "it has no signature")),
            "non-inferiority",
            "fail",
            "pushed model 7 can't be compared: it has no signature",
        ),
        (
            evidence(
                baseline=Baseline(
                    "7",
                    differences={
                        "in_distribution": interval(0.0, -0.02, 0.02),
                        "shifted": interval(-0.04, -0.06, -0.02),
                    },
                )
            ),
            "non-inferiority",
            "inconclusive",
            "shifted AUC minus that of pushed model 7: lower bound -0.060 is below the floor -0.05",
        ),
        (
            evidence(baseline=Baseline("7", differences={"in_distribution": interval()})),
            "non-inferiority",
            "not_enough_data",
            "shifted difference to pushed model 7",
        ),
    ],
)
def test_planted_faults_are_refused_for_the_right_reason(planted, rule, status, reason):
    verdict = domain_rules.judge(planted, STRICT)
    assert not verdict.blessed
    assert status in statuses(verdict, rule)
    undecided = status == "inconclusive" or "fewer than the required" in reason
    assert verdict.outcome == ("inconclusive" if undecided else "refused")
    assert any(reason in line for line in verdict.reasons), verdict.reasons


def test_shifted_data_may_be_absent_where_they_are_not_required():
    settings = GateSettings(shifted=DomainRules(required=False))
    planted = evidence(
        metrics={"in_distribution": evidence().metrics["in_distribution"]},
        gap=None,
        baseline=Baseline("7", differences={"in_distribution": interval(0.0, -0.01, 0.01)}),
    )
    verdict = domain_rules.judge(planted, settings)
    assert verdict.blessed
    assert statuses(verdict, "gap ceiling") == ["not_required"]
    assert statuses(verdict, "non-inferiority") == ["pass", "not_required"]
    # Where there are such data, they are judged all the same.
    bad = replaced("shifted", "auc", interval(0.4, 0.3, 0.5))
    assert not domain_rules.judge(bad, settings).blessed


def test_small_groups_are_neither_passed_nor_failed():
    planted = evidence(groups=[Group("shifted", "site", "b", interval(0.1), NOT_ENOUGH_DATA)])
    verdict = domain_rules.judge(planted, GateSettings())
    assert verdict.blessed
    assert statuses(verdict, "subgroup floor") == []


def test_margins_are_inclusive():
    settings = GateSettings()
    planted = evidence(
        gap=interval(0.1, 0.0, settings.max_gap),
        baseline=Baseline(
            "7",
            differences={
                domain: interval(0.0, -settings.max_regression, 0.1)
                for domain in ("in_distribution", "shifted")
            },
        ),
    )
    assert domain_rules.judge(planted, settings).blessed


# The made scores are no probabilities, only in the right order.
ORDER_ALONE = {
    "calibration_slope": None,
    "calibration_intercept": None,
    "max_calibration_error": 1.0,
}
MEDIOCRE = GateSettings(
    resamples=200,
    in_distribution=DomainRules(min_auc=0.7, **ORDER_ALONE),
    shifted=DomainRules(min_auc=0.6, **ORDER_ALONE),
    max_gap=0.25,
    subgroups=SubgroupRules(min_auc=0.5),
)


def judged(table, settings=None, task=TASK, **more) -> tuple[domain_rules.Verdict, Evidence]:
    settings = settings or MEDIOCRE
    more.setdefault("serving", SERVING)
    more.setdefault("evaluator_blessed", True)
    found = collect(table, task, ("sex",), settings, **more)
    return domain_rules.judge(found, settings), found


@pytest.fixture(scope="module")
def good(make_table) -> pd.DataFrame:
    tables = [
        make_table("in_distribution", patients=120, seed=1),
        make_table("shifted", patients=120, strength=1.6, seed=2),
    ]
    return pd.concat(tables, ignore_index=True)


def test_good_table_is_blessed(good):
    verdict, found = judged(good)
    assert verdict.blessed, verdict.reasons
    assert found.metrics["shifted"]["auc"].patients == 120
    assert {(one.domain, one.column) for one in found.groups} == {
        (domain, column)
        for domain in ("in_distribution", "shifted")
        for column in ("site", "subgroup/sex")
    }


def test_labels_shuffled(good):
    bad = good.copy()
    bad["prediction/edema"] = np.random.default_rng(0).permutation(bad["prediction/edema"])
    verdict, _ = judged(bad)
    assert any("in_distribution auc: upper bound" in line for line in verdict.reasons)


def test_good_in_distribution_and_broken_under_shift(good):
    bad = good.copy()
    shifted = bad["domain"] == "shifted"
    bad.loc[shifted, "prediction/edema"] = 1 - bad.loc[shifted, "prediction/edema"]
    verdict, _ = judged(bad)
    failed = {(rule.name, rule.slice) for rule in verdict.rules if rule.status == "fail"}
    assert ("auc floor", "shifted") in failed
    assert ("gap ceiling", "in_distribution - shifted") in failed
    assert ("auc floor", "in_distribution") not in failed


def test_miscalibrated(good):
    bad = good.copy()
    bad["prediction/edema"] = bad["prediction/edema"] ** 0.2  # the order, and the AUC, stay
    rules = DomainRules(min_auc=0.7, **ORDER_ALONE | {"max_calibration_error": 0.3})
    settings = MEDIOCRE.model_copy(update={"in_distribution": rules})
    assert judged(good, settings)[0].blessed
    verdict, _ = judged(bad, settings)
    assert [rule.name for rule in verdict.rules if rule.status == "fail"] == [
        "calibration error ceiling"
    ]


def test_one_failing_subgroup(good):
    bad = good.copy()
    group = (bad["site"] == "b") & (bad["domain"] == "in_distribution")
    bad.loc[group, "prediction/edema"] = 0.9 - 0.8 * bad.loc[group, "prediction/edema"]
    settings = GateSettings(
        resamples=200,
        in_distribution=DomainRules(min_auc=0.1),
        max_gap=1,
        subgroups=SubgroupRules(min_auc=0.6),
    )
    verdict, _ = judged(bad, settings)
    failed = [rule.slice for rule in verdict.rules if rule.status == "fail"]
    assert "in_distribution, site=b" in failed
    assert "in_distribution, site=a" not in failed


def test_nan_predictions_are_refused_and_shown_as_null(good):
    bad = good.copy()
    bad.loc[0, "prediction/edema"] = NAN
    verdict, found = judged(bad)
    assert any("1 of 480 predictions are NaN" in line for line in verdict.reasons)
    assert math.isnan(found.metrics["in_distribution"]["auc"].value)
    document = verdict_document.verdict_document(verdict, found, GateSettings())
    assert document.metrics["in_distribution"]["auc"].value is None
    group = next(one for one in document.subgroups if one.domain == "in_distribution")
    assert group.status == "fail"


def test_nan_on_an_unlabeled_image_is_refused_too(good):
    bad = good.copy()
    bad.loc[0, ["prediction/edema", "label/edema/weight"]] = [NAN, 0.0]
    verdict, found = judged(bad)
    assert not verdict.blessed
    assert found.metrics["in_distribution"]["auc"].judged


def test_group_without_a_class_is_listed_and_not_judged(good):
    data = good.copy()
    data.loc[data["site"] == "b", "label/edema"] = 0.0
    _, found = judged(data)
    status = {(one.domain, one.value): one.status for one in found.groups if one.column == "site"}
    assert status["shifted", "b"] == NOT_ENOUGH_DATA
    assert status["shifted", "a"] == JUDGED


def test_worse_than_the_pushed_model(good):
    random = np.random.default_rng(0)
    worse = good.copy()
    noise = random.normal(size=len(good)) * 3
    logit = np.log(good["prediction/edema"] / (1 - good["prediction/edema"]))
    worse["prediction/edema"] = 1 / (1 + np.exp(-(logit + noise)))
    lenient = GateSettings(
        resamples=200,
        in_distribution=DomainRules(min_auc=0.5),
        shifted=DomainRules(min_auc=0.5),
        max_gap=1,
        subgroups=SubgroupRules(min_auc=0),
    )
    shuffled = good.sample(frac=1, random_state=0)  # the baseline's order must not matter
    verdict, found = judged(
        worse, lenient, baseline=Baseline("1700000000"), baseline_table=shuffled
    )
    assert statuses(verdict, "non-inferiority") == ["fail", "fail"]
    assert found.baseline.differences["shifted"].value < -0.05
    verdict, found = judged(good, lenient, baseline=Baseline("17"), baseline_table=shuffled)
    assert statuses(verdict, "non-inferiority") == ["pass", "pass"]
    assert found.baseline.differences["shifted"].lower == 0


def test_baseline_predictions_for_other_images(good):
    verdict, _ = judged(good, baseline=Baseline("17"), baseline_table=good.iloc[:-3])
    assert any("lack 3 of 480 images" in line for line in verdict.reasons)


def test_several_targets_report_each_and_the_mean(make_table):
    targets = ("edema", "effusion")
    task = TaskSettings(kind="multilabel", labels=targets)
    table = pd.concat([make_table(domain, targets) for domain in ("in_distribution", "shifted")])
    _, found = judged(table, task=task)
    metrics = found.metrics["shifted"]
    values = [metrics[f"auc/{target}"].value for target in targets]
    assert metrics["auc"].value == pytest.approx(np.mean(values))
    assert {"sensitivity/edema", "specificity", "ppv", "brier", "calibration_error"} <= set(metrics)


def test_target_without_a_class_is_named(make_table):
    targets = ("edema", "effusion")
    task = TaskSettings(kind="multilabel", labels=targets)
    table = pd.concat([make_table(domain, targets) for domain in ("in_distribution", "shifted")])
    table["label/effusion"] = 0.0
    verdict, _ = judged(table, task=task)
    assert any("shifted auc: undefined (targets effusion)" in line for line in verdict.reasons)


def test_missing_column_is_named(good):
    with pytest.raises(InputError, match=r"lacks the columns \['decision/edema'\]"):
        judged(good.drop(columns="decision/edema"))


def test_document_of_a_model_that_could_not_be_judged():
    verdict = domain_rules.refused("the model could not be judged: no table")
    document = verdict_document.verdict_document(verdict, None, GateSettings())
    assert document.blessed is False
    assert document.reasons == ("the model could not be judged: no table",)
    assert document.metrics == {}
