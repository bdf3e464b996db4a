"""Images without a label, counted by hand."""

import pandas as pd
import pytest

from components.model_gate.policy.settings import GateSettings
from components.model_gate.rules import missing_labels
from schemas import features
from schemas.documents.gate import Unlabelled
from trainer_modules.settings import TaskSettings

ONE = TaskSettings(labels=("edema",))
TWO = TaskSettings(kind="multilabel", labels=("edema", "mass"))
CLASSES = TaskSettings(kind="multiclass", labels=("finding",), classes=("cyst", "mass"))


def table(**targets) -> pd.DataFrame:
    """Four images in distribution: per target, which have a label and what the model calls."""
    columns = {features.DOMAIN: [features.IN_DISTRIBUTION] * 4}
    for name, (weight, decision) in targets.items():
        columns[features.label_weight(name)] = weight
        columns[features.decision(name)] = decision
    return pd.DataFrame(columns)


def judged(counts, **rules):
    settings = GateSettings(in_distribution=rules)
    domains = [(features.IN_DISTRIBUTION, settings.in_distribution)]
    return list(missing_labels.judged(counts, iter(domains)))


def test_of_one_target():
    counts = missing_labels.counted(table(edema=([1, 0, 0, 0], [1, 1, 1, 0])), ONE)
    called = {"positive": 2, "negative": 1}
    assert counts == {
        "in_distribution": {"edema": Unlabelled(images=4, unlabelled=3, called=called)}
    }
    (rule,) = judged(counts, max_unlabelled=0.7)
    assert rule.status == "fail"
    assert rule.value == 0.75
    assert rule.message == (
        "in_distribution: 3 of 4 images have no label (the model calls 2 positive, 1 negative), "
        "at most 70% may have none"
    )
    (rule,) = judged(counts, max_unlabelled=0.75)
    assert rule.status == "pass"


def test_of_several_targets_the_one_with_most_is_named():
    found = table(edema=([1, 1, 1, 0], [0] * 4), mass=([1, 1, 0, 0], [0, 0, 1, 1]))
    (rule,) = judged(missing_labels.counted(found, TWO), max_unlabelled=0.5)
    assert rule.message.startswith("in_distribution mass: 2 of 4 images")
    assert "2 positive, 0 negative" in rule.message


def test_classes_are_one_target():
    found = table(cyst=([1, 0, 0, 0], [1, 1, 0, 0]), mass=([1, 0, 0, 0], [0, 0, 1, 1]))
    counts = missing_labels.counted(found, CLASSES)
    called = {"cyst": 1, "mass": 2}
    assert counts == {
        "in_distribution": {"finding": Unlabelled(images=4, unlabelled=3, called=called)}
    }


def test_nothing_missing_is_said_in_short():
    counts = missing_labels.counted(table(edema=([1] * 4, [0] * 4)), ONE)
    (rule,) = judged(counts)
    assert (rule.status, rule.value) == ("pass", 0)
    assert rule.message.startswith("in_distribution: 0 of 4 images have no label, at most")


@pytest.mark.parametrize("domain", features.DOMAINS)
def test_a_domain_without_images_has_no_rule(domain):
    found = table(edema=([1] * 4, [0] * 4)).assign(**{features.DOMAIN: domain})
    assert list(missing_labels.counted(found, ONE)) == [domain]
