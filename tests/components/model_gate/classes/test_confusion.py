"""Confusion matrices and the floor of the balanced accuracy: by scikit-learn, and by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import special
from sklearn import metrics as sk

from components.model_gate.classes import confusion
from components.model_gate.policy.settings import GateSettings
from components.model_gate.rules import domain_rules, verdict_document
from components.model_gate.rules.evidence import collect
from schemas import features
from schemas.documents.gate import GateVerdict
from trainer_modules.decisions import one_class
from trainer_modules.settings import TaskSettings

NAMES = ("cat", "dog", "ship")
TASK = TaskSettings(kind="multiclass", labels=("kind",), classes=NAMES)
LAX = {
    "min_auc": 0.5,
    "calibration_slope": None,
    "calibration_intercept": None,
    "max_calibration_error": 1,
}


def table_of(truth, score, patient, domain="in_distribution", decision=None) -> pd.DataFrame:
    """Predictions as the Predictor writes them; -1 is an unknown label."""
    truth, score = np.asarray(truth), np.asarray(score, float)
    decision = one_class.decide(score) if decision is None else np.asarray(decision, float)
    columns = {
        "image/id": [f"{domain}-{number}" for number in range(len(truth))],
        "patient_id": [f"{domain}-{one}" for one in patient],
        "site": "a",
        "domain": domain,
    }
    for place, name in enumerate(NAMES):
        columns[f"label/{name}"] = (truth == place).astype(float)
        columns[f"label/{name}/weight"] = (truth >= 0).astype(float)
        columns[f"prediction/{name}"] = score[:, place]
        columns[f"decision/{name}"] = decision[:, place]
    return pd.DataFrame(columns)


def drawn(images=400, seed=0, strength=4.0, never=None):
    """Labels, probabilities and patients of two images; a class may never be called."""
    random = np.random.default_rng(seed)
    truth = random.integers(3, size=images)
    logits = strength * np.eye(3)[truth] + random.normal(size=(images, 3))
    if never is not None:
        logits[:, never] -= 20
    return truth, special.softmax(logits, axis=1), np.arange(images) // 2


def both(**changes) -> pd.DataFrame:
    parts = [
        table_of(*drawn(seed=seed, **changes), domain=domain)
        for seed, domain in enumerate(features.DOMAINS)
    ]
    return pd.concat(parts, ignore_index=True)


def policy(**rules) -> GateSettings:
    more = {"require_evaluator": False, "require_serving": False, "resamples": 200}
    return GateSettings(in_distribution=LAX | rules, shifted=LAX | rules, max_gap=1, **more)


def test_counts_and_rates_are_those_of_scikit_learn():
    truth, score, patient = drawn(strength=1.0)
    truth[:20] = -1
    found = confusion.matrices(table_of(truth, score, patient), TASK)["in_distribution"]
    known, called = truth[20:], score[20:].argmax(axis=1)
    assert found.classes == NAMES
    assert found.counts == tuple(map(tuple, sk.confusion_matrix(known, called).tolist()))
    expected = sk.confusion_matrix(known, called, normalize="true")
    np.testing.assert_allclose(found.rates, expected)
    assert found.undecided == (0, 0, 0)


def test_by_hand_with_images_of_no_class_and_of_two():
    truth = [0, 0, 0, 1, 1, 1]
    decision = [[1, 0, 0], [0, 0, 1], [0, 0, 0], [0, 1, 0], [1, 1, 0], [0, 1, 0]]
    score = np.full((6, 3), 1 / 3)
    score[2] = np.nan
    table = table_of(truth, score, range(6), decision=decision)
    found = confusion.matrices(table, TASK)["in_distribution"]
    assert found.counts == ((1, 0, 1), (0, 2, 0), (0, 0, 0))
    assert found.undecided == (1, 1, 0)
    np.testing.assert_allclose(found.rates[:2], [[1 / 3, 0, 1 / 3], [0, 2 / 3, 0]])
    assert all(one is None or np.isnan(one) for one in found.rates[2])
    # Where the score is NaN, another rule refuses.
    assert confusion.undecided(table, TASK) == 1


def test_only_classes_that_exclude_each_other_have_one():
    table, task = both(images=40), TaskSettings(kind="multilabel", labels=NAMES)
    assert confusion.matrices(table, task) == {}
    assert confusion.undecided(table, task) is None


def test_every_domain_with_labels_is_in_the_document(tmp_path):
    table = both(images=120)
    table.loc[table["domain"] == "shifted", [f"label/{one}/weight" for one in NAMES]] = 0.0
    evidence = collect(table, TASK, (), policy())
    verdict = domain_rules.judge(evidence, policy())
    verdict_document.verdict_document(verdict, evidence, policy()).write(tmp_path)
    found = GateVerdict.read(tmp_path)
    assert set(found.confusion) == {"in_distribution"}
    assert sum(map(sum, found.confusion["in_distribution"].counts)) == 120


@pytest.mark.parametrize(("floor", "outcome"), [(0.6, "blessed"), (0.95, "refused")])
def test_a_floor_of_the_balanced_accuracy(floor, outcome):
    settings = policy(min_balanced_accuracy=floor)
    verdict = domain_rules.judge(collect(both(strength=2.0), TASK, (), settings), settings)
    assert verdict.outcome == outcome
    rules = [rule for rule in verdict.rules if rule.name.startswith("balanced accuracy floor")]
    assert [rule.name for rule in rules] == 2 * [
        "balanced accuracy floor",
        "balanced accuracy floor by patient",
    ]
    truth, score, _ = drawn(strength=2.0)
    expected = sk.balanced_accuracy_score(truth, score.argmax(axis=1))
    assert rules[0].value == pytest.approx(expected)


@pytest.mark.parametrize("name", NAMES)
def test_a_model_that_never_calls_one_class_is_refused_and_named(name):
    table = both(never=NAMES.index(name))
    lax = policy()
    assert domain_rules.judge(collect(table, TASK, (), lax), lax).outcome == "blessed"
    floor = policy(min_balanced_accuracy=0.8)
    verdict = domain_rules.judge(collect(table, TASK, (), floor), floor)
    assert verdict.outcome == "refused"
    assert any("balanced_accuracy: upper bound 0." in reason for reason in verdict.reasons)
    one = {"domain": "shifted", "metric": f"sensitivity/{name}", "at_least": 0.2}
    slices = lax.model_copy(update={"slices": type(lax)(slices=(one,)).slices})
    evidence = collect(table, TASK, (), slices)
    verdict = domain_rules.judge(evidence, slices)
    assert verdict.outcome == "refused"
    assert f"sensitivity/{name}: upper bound" in verdict.reasons[0]
    for domain in features.DOMAINS:
        matrix = np.array(evidence.confusion[domain].counts)
        assert matrix[:, NAMES.index(name)].sum() == 0
        assert evidence.metrics[domain][f"sensitivity/{name}"].value == 0


def test_decisions_of_none_or_two_classes_refuse_the_model():
    table = both()
    table.loc[:5, [f"decision/{one}" for one in NAMES]] = 0.0
    table.loc[6:7, [f"decision/{one}" for one in NAMES]] = 1.0
    verdict = domain_rules.judge(collect(table, TASK, (), policy()), policy())
    assert verdict.outcome == "refused"
    assert "no class, or several, for 8 of 800 images" in verdict.reasons[0]
    (rule,) = [rule for rule in verdict.rules if rule.name == "one class per image"]
    assert (rule.status, rule.effect) == ("fail", "refuse")


def test_too_few_patients_of_one_class_are_not_judged():
    truth, score, _ = drawn()
    rare = np.flatnonzero(truth == 2)[10:]
    truth, score = (np.delete(one, rare, axis=0) for one in (truth, score))
    patient = np.arange(len(truth))
    table = pd.concat([table_of(truth, score, patient), table_of(*drawn(seed=1), "shifted")])
    table = table.reset_index(drop=True)
    for least, outcome in ((10, "blessed"), (11, "inconclusive")):
        settings = policy(min_balanced_accuracy=0.3)
        settings = settings.model_copy(update={"min_patients_per_class": least})
        verdict = domain_rules.judge(collect(table, TASK, (), settings), settings)
        assert verdict.outcome == outcome
    said = "10 patients with positive images (targets ship) are fewer than the required 11"
    assert said in verdict.reasons[0]
