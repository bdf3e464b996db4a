"""Alpha as it is spent, against numbers by hand."""

import pytest

from components.model_gate.policy.settings import GateSettings, ReuseRules
from components.model_gate.provenance import reuse


def settings(rule="divide", looks=None, confidence=0.95) -> GateSettings:
    return GateSettings(confidence=confidence, reuse={"rule": rule, "looks": looks})


@pytest.mark.parametrize(
    ("look", "alpha", "words"),
    [
        (1, 0.05, "this is the 1st model judged on this test set; intervals at 95 %"),
        (2, 0.025, "this is the 2nd model judged on this test set; intervals at 97.5 %"),
        (3, 0.05 / 3, "this is the 3rd model judged on this test set; intervals at 98.3 %"),
        (4, 0.0125, "this is the 4th model judged on this test set; intervals at 98.8 %"),
        (11, 0.05 / 11, "this is the 11th model judged on this test set; intervals at 99.55 %"),
        (22, 0.05 / 22, "this is the 22nd model judged on this test set; intervals at 99.77 %"),
        (112, 0.05 / 112, "this is the 112th model judged on this test set; intervals at 99.955 %"),
    ],
)
def test_divide_gives_the_kth_model_alpha_over_k(look, alpha, words):
    found = reuse.spent(settings(), look, {})
    assert (found.counted, found.look, found.refused) == (True, look, False)
    assert found.alpha == pytest.approx(alpha, rel=1e-12)
    assert found.confidence == pytest.approx(1 - alpha, rel=1e-12)
    assert found.message == words


def test_first_look_has_exactly_the_level_of_the_policy():
    for rule, looks in (("divide", None), ("none", None), ("planned", 1)):
        assert reuse.spent(settings(rule, looks, 0.9), 1, {}).confidence == 0.9


def test_plan_spends_no_more_than_alpha():
    plan, others, total = settings("planned", 4), {}, 0.0
    for look in range(1, 5):
        found = reuse.spent(plan, look, others)
        assert not found.refused
        assert found.alpha == pytest.approx(0.0125)
        others[look] = found.alpha
        total += found.alpha
    assert total == pytest.approx(0.05)
    fifth = reuse.spent(plan, 5, others)
    assert fifth.refused
    assert fifth.message == (
        "this is the 5th model judged on this test set: 4 were planned, and nothing is measured"
    )
    # The fourth model again is not a fifth one.
    assert not reuse.spent(plan, 4, others).refused


def test_plan_after_looks_that_nobody_planned():
    """The first model spent all of alpha; a plan that is made now is none."""
    found = reuse.spent(settings("planned", 10), 2, {1: 0.05})
    assert found.refused
    assert "others spent 0.05 of 0.05, which leaves no 0.005 as planned for 10" in found.message
    assert not reuse.spent(settings("planned", 10), 1, {1: 0.05}).refused


def test_none_says_what_it_does_from_the_second_model_on():
    first, second = (reuse.spent(settings("none"), look, {}) for look in (1, 2))
    assert first.alpha == second.alpha == pytest.approx(0.05)
    assert "by luck" not in first.message
    assert second.message == (
        "this is the 2nd model judged on this test set; intervals at 95 % as for the first: each "
        "has another chance to pass by luck"
    )


def test_what_is_not_counted():
    found = reuse.uncounted(settings(), "--ledger none")
    assert (found.counted, found.look, found.confidence, found.refused) == (
        False,
        None,
        0.95,
        False,
    )
    assert found.message == "looks at this test set were not counted: --ledger none"
    planned = reuse.uncounted(settings("planned", 3), "--ledger none")
    assert planned.refused
    assert planned.message.endswith("reuse.rule 'planned' (3 looks) needs a ledger")


@pytest.mark.parametrize(("rule", "looks"), [("planned", None), ("divide", 3), ("none", 1)])
def test_looks_belong_to_a_plan(rule, looks):
    with pytest.raises(ValueError, match="looks belongs to rule 'planned', which needs it"):
        ReuseRules(rule=rule, looks=looks)
