"""What is computed from tables of predictions, against scikit-learn and counting."""

import math
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from components.model_gate.policy.settings import GateSettings, SliceRule, SubgroupRules
from components.model_gate.rules import groups
from components.model_gate.rules.evidence import Baseline, collect
from components.model_gate.rules.groups import JUDGED, NOT_ENOUGH_DATA
from components.statistics import clustered_metrics
from components.statistics.clustered_auc import ClusteredAuc
from components.statistics.clustered_metrics import Precision
from components.statistics.judged_rows import JudgedRows
from schemas.documents.gate import Serving
from schemas.errors import InputError
from trainer_modules.settings import TaskSettings

TASK = TaskSettings(kind="binary", labels=("edema",))
DOMAINS = ("in_distribution", "shifted")
SETTINGS = GateSettings(resamples=200, confidence=0.9)


@pytest.fixture(scope="module")
def table(make_table) -> pd.DataFrame:
    """Both domains, of unlike strength; two studies a patient, the first of three images."""
    tables = [
        make_table(domain, patients=60, images=4, strength=strength, seed=seed)
        for seed, (domain, strength) in enumerate(zip(DOMAINS, (1.2, 0.8), strict=True))
    ]
    joined = pd.concat(tables, ignore_index=True)
    study = np.where(np.arange(len(joined)) % 4 < 3, "1", "2")
    return joined.assign(study_id=joined["patient_id"] + study, slide_id=joined["image/id"])


@pytest.fixture(scope="module")
def found(table):
    return collect(table, TASK, ("sex",), SETTINGS)


def auc(table, weight=None) -> float:
    return roc_auc_score(table["label/edema"], table["prediction/edema"], sample_weight=weight)


def of(table, domain, **where):
    chosen = table["domain"] == domain
    for column, value in where.items():
        chosen &= table[column] == value
    return table[chosen]


def test_each_domain_has_its_own_metrics_and_the_gap_is_their_difference(table, found):
    assert set(found.metrics) == set(found.delong) == set(DOMAINS)
    for domain in DOMAINS:
        for interval in (found.metrics[domain]["auc"], found.delong[domain]):
            assert interval.value == pytest.approx(auc(of(table, domain)))
            assert (interval.patients, interval.examples) == (60, 240)
    gap = found.gap
    assert gap.value == pytest.approx(auc(of(table, "in_distribution")) - auc(of(table, "shifted")))
    assert gap.lower < gap.value < gap.upper
    assert (found.records, found.not_probabilities) == (480, 0)
    assert found.baseline == Baseline()
    assert (found.serving, found.evaluator_blessed) == (None, None)


def test_confidence_is_that_of_the_settings(table, found):
    wide = collect(table, TASK, ("sex",), SETTINGS.model_copy(update={"confidence": 0.99}))
    pairs = [(wide.gap, found.gap)]
    for domain in DOMAINS:
        pairs += [(wide.metrics[domain][name], one) for name, one in found.metrics[domain].items()]
        pairs.append((wide.delong[domain], found.delong[domain]))
    pairs += [(one.auc, other.auc) for one, other in zip(wide.groups, found.groups, strict=True)]
    for one, other in pairs:
        assert one.value == pytest.approx(other.value)
        assert one.lower <= other.lower < other.upper <= one.upper
        assert one.upper - one.lower > other.upper - other.lower


def test_draws_are_as_many_as_the_settings_say(table, found):
    def expected(part, draws):
        records = JudgedRows.of_task(part, TASK)
        one = clustered_metrics.intervals(records, Precision(0.9, draws))["calibration_error"]
        return one.lower, one.upper

    pairs = [(of(table, domain), found.metrics[domain]) for domain in DOMAINS]
    pairs += [
        (of(table, one.domain, **{one.column: one.value}), one.metrics) for one in found.groups
    ]
    for part, metrics in pairs:
        one = metrics["calibration_error"]
        assert (one.lower, one.upper) == pytest.approx(expected(part, 200))
        assert (one.lower, one.upper) != pytest.approx(expected(part, 2000))


def test_groups_are_the_values_of_each_column_within_each_domain(table, found):
    assert [(one.domain, one.column, one.value) for one in found.groups] == [
        (domain, column, value)
        for domain in DOMAINS
        for column, values in (("site", "ab"), ("subgroup/sex", "FM"))
        for value in values
    ]
    for one in found.groups:
        part = of(table, one.domain, **{one.column: one.value})
        assert one.auc.value == pytest.approx(auc(part))
        assert (one.auc.patients, one.auc.examples) == (part["patient_id"].nunique(), len(part))
        assert one.status == JUDGED
        assert one.metrics["auc"] == one.auc
        assert {"brier", "sensitivity", "auc_by_patient"} < set(one.metrics)


def test_a_column_of_one_value_is_the_domain_itself(table, found):
    one = collect(table.assign(site="a"), TASK, (), SETTINGS).groups[0]
    assert one.auc == found.metrics["in_distribution"]["auc"]


@pytest.mark.parametrize(
    ("unit", "column"), [("patient", "patient_id"), ("study", "study_id"), ("slide", "slide_id")]
)
def test_what_the_settings_name_counts_once(table, unit, column):
    found = collect(table, TASK, (), SETTINGS.model_copy(update={"unit": unit}))
    for domain in DOMAINS:
        part = of(table, domain)
        weight = 1 / part.groupby(column)[column].transform("size")
        assert found.metrics[domain]["auc"].value == pytest.approx(auc(part, weight))


def test_columns_that_are_not_there_are_named(table):
    by_study = SETTINGS.model_copy(update={"unit": "study"})
    with pytest.raises(InputError, match=r"'gate\.unit': .* no column 'study_id'"):
        collect(table.drop(columns="study_id"), TASK, (), by_study)
    for column in (
        "image/id",
        "patient_id",
        "site",
        "domain",
        "subgroup/sex",
        "label/edema",
        "label/edema/weight",
        "prediction/edema",
        "decision/edema",
    ):
        settings = SETTINGS.model_copy(update={"unit": "slide"})
        with pytest.raises(InputError, match=rf"lacks the columns \['{column}'\], it has"):
            collect(table.drop(columns=column), TASK, ("sex",), settings)


def test_scores_outside_0_to_1_are_counted_whatever_is_known_of_their_labels(table):
    scores = {0: -0.01, 1: 1.01, 2: math.nan, 3: 0.0, 4: 1.0}
    changed = table.copy()
    changed.loc[list(scores), "prediction/edema"] = list(scores.values())
    changed.loc[2, "label/edema/weight"] = 0.0
    assert collect(changed, TASK, (), SETTINGS).not_probabilities == 3


def test_a_domain_without_known_labels_has_no_evidence(table):
    unknown = table.copy()
    unknown.loc[unknown["domain"] == "shifted", "label/edema/weight"] = 0.0
    found = collect(unknown, TASK, ("sex",), SETTINGS)
    assert set(found.metrics) == set(found.delong) == {"in_distribution"}
    assert found.gap is None
    assert {one.domain for one in found.groups} == {"in_distribution"}
    assert found.records == 480


def test_what_others_found_is_passed_on(table):
    serving = Serving(ok=True, message="fine")
    found = collect(table, TASK, (), SETTINGS, serving=serving, evaluator_blessed=True)
    assert (found.serving, found.evaluator_blessed) == (serving, True)


@pytest.fixture(scope="module")
def other(table) -> pd.DataFrame:
    """Another model's predictions of the same images, in another order, and one image twice."""
    logit = np.log(table["prediction/edema"] / (1 - table["prediction/edema"]))
    noise = np.random.default_rng(5).normal(size=len(table))
    worse = table.assign(**{"prediction/edema": 1 / (1 + np.exp(-logit - 2 * noise))})
    shuffled = worse.sample(frac=1, random_state=0)
    return pd.concat([shuffled, shuffled.head(1).assign(**{"prediction/edema": 0.5})])


def test_candidate_minus_baseline_by_domain_and_by_group(table, other):
    margin = SETTINGS.model_copy(update={"subgroups": SubgroupRules(max_regression=0.02)})
    given = Baseline("7")
    found = collect(table, TASK, ("sex",), margin, baseline=given, baseline_table=other)
    assert (found.baseline.version, found.baseline.problem) == ("7", "")
    first = other.drop_duplicates("image/id")
    for domain in DOMAINS:
        expected = auc(of(table, domain)) - auc(of(first, domain))
        difference = found.baseline.differences[domain]
        assert difference.value == pytest.approx(expected)
        assert expected > 0.02
        assert difference.lower < expected < difference.upper
    assert len(found.baseline.groups) == 8
    for one in found.baseline.groups:
        where = {one.column: one.value}
        expected = auc(of(table, one.domain, **where)) - auc(of(first, one.domain, **where))
        assert one.auc.value == pytest.approx(expected)
        # Of being worse by more than the margin: the sooner, the lower the difference.
        assert (one.p_value < 0.5) == (expected > -0.02)
    off = SETTINGS.model_copy(update={"subgroups": SubgroupRules(max_regression=1)})
    without = collect(table, TASK, ("sex",), off, baseline=given, baseline_table=other)
    assert without.baseline.groups == []
    assert set(without.baseline.differences) == set(DOMAINS)


def test_a_baseline_of_other_images_is_a_problem_of_its_own(table, other):
    lacking = other[other["image/id"] != table["image/id"][7]]
    found = collect(table, TASK, (), SETTINGS, baseline=Baseline("7"), baseline_table=lacking)
    assert found.baseline.version == "7"
    assert found.baseline.problem == "its predictions lack 1 of 480 images"
    assert (found.baseline.differences, found.baseline.groups) == ({}, ())


def status_of(table, **settings) -> dict[str, str]:
    settings = SETTINGS.model_copy(update=settings)
    found = collect(of(table, "shifted"), TASK, (), settings)
    return {one.value: one.status for one in found.groups}


@pytest.mark.parametrize(("patients", "status"), [(30, JUDGED), (31, NOT_ENOUGH_DATA)])
def test_a_group_needs_as_many_patients_as_the_settings_say(table, patients, status):
    rules = SubgroupRules(min_patients=patients)
    assert status_of(table, subgroups=rules) == {"a": status, "b": status}


@pytest.mark.parametrize(("per_class", "status"), [(10, JUDGED), (11, NOT_ENOUGH_DATA)])
def test_a_group_needs_as_many_patients_of_each_class(table, per_class, status):
    # Ten of the thirty patients of each site are positive.
    assert status_of(table, min_patients_per_class=per_class) == {"a": status, "b": status}


def test_a_group_with_nan_is_judged_unless_its_label_is_unknown(table):
    few = {"min_patients_per_class": 11}
    row = table.index[(table["domain"] == "shifted") & (table["site"] == "b")][0]
    broken = table.copy()
    broken.loc[row, "prediction/edema"] = math.nan
    assert status_of(broken, **few) == {"a": NOT_ENOUGH_DATA, "b": JUDGED}
    broken.loc[row, "label/edema/weight"] = 0.0
    assert status_of(broken, **few) == {"a": NOT_ENOUGH_DATA, "b": NOT_ENOUGH_DATA}


@pytest.mark.parametrize(("limit", "all_of_them"), [(120, True), (119, False)])
def test_large_groups_have_their_auc_alone_unless_a_rule_names_them(
    table, limit, all_of_them, monkeypatch
):
    monkeypatch.setattr(groups, "_ALL_METRICS", limit)
    rule = SliceRule(domain="shifted", metric="brier", group="site=b", at_most=0.5)
    found = collect(table, TASK, (), SETTINGS.model_copy(update={"slices": (rule,)}))
    for one in found.groups:
        named = (one.domain, one.value) == ("shifted", "b")
        assert ("brier" in one.metrics) == (all_of_them or named)
        assert {"auc", "auc_by_patient"} <= set(one.metrics)


ONE = TaskSettings(kind="binary", labels=("finding",))
FEW_DRAWS = GateSettings(resamples=200)


def one_finding(sites: int) -> pd.DataFrame:
    """Patients of two images each, 100 in distribution and 80 shifted."""
    random = np.random.default_rng(0)
    patient = np.repeat(np.arange(180), 2)
    label = random.integers(0, 2, 180)[patient].astype(float)
    return pd.DataFrame(
        {
            "image/id": [str(one) for one in range(360)],
            "patient_id": [f"p{one}" for one in patient],
            "site": [f"s{one % sites}" for one in patient],
            "domain": np.where(patient < 100, "in_distribution", "shifted"),
            "label/finding": label,
            "label/finding/weight": 1.0,
            "prediction/finding": 1 / (1 + np.exp(-(2 * label - 1 + random.normal(size=360)))),
            "decision/finding": 1.0,
        }
    )


@pytest.fixture
def counted(monkeypatch):
    """How often AUCs and all metrics are computed, by number of records."""
    calls: Counter[tuple[str, int]] = Counter()
    of, intervals = ClusteredAuc.of.__func__, clustered_metrics.intervals

    def counted_auc(cls, records, *rest):
        calls["auc", records.examples] += 1
        return of(cls, records, *rest)

    def counted_metrics(records, *rest):
        calls["metrics", records.examples] += 1
        return intervals(records, *rest)

    monkeypatch.setattr(ClusteredAuc, "of", classmethod(counted_auc))
    monkeypatch.setattr(clustered_metrics, "intervals", counted_metrics)
    return calls


def test_a_single_group_is_computed_once(counted):
    """By image and by patient in each domain: four AUCs, however many columns have one value."""
    found = collect(one_finding(1).assign(**{"subgroup/a": "x"}), ONE, ("a",), FEW_DRAWS)
    once = {("auc", 200): 2, ("auc", 160): 2, ("metrics", 200): 1, ("metrics", 160): 1}
    assert counted == once
    assert len(found.groups) == 4
    for group in found.groups:
        assert group.metrics == found.metrics[group.domain]


def test_a_single_group_of_a_baseline_is_computed_once(counted):
    baseline = one_finding(1).assign(**{"prediction/finding": np.linspace(0.1, 0.9, 360)})
    collect(one_finding(1), ONE, (), FEW_DRAWS, baseline_table=baseline, baseline=Baseline("1"))
    assert counted["auc", 200] == counted["auc", 160] == 3


def test_two_groups_are_computed_each(counted):
    """Each AUC by image and by patient: of the domain, and of its halves."""
    collect(one_finding(2), ONE, (), FEW_DRAWS)
    assert (counted["auc", 200], counted["auc", 100]) == (2, 4)
    assert (counted["auc", 160], counted["auc", 80]) == (2, 4)
