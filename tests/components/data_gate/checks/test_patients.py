"""What is missing for the model gate and for the splits' fractions, on counts written by hand."""

from __future__ import annotations

import pytest

from components.data_gate.checks.patients import (
    DomainNeeds,
    GateNeeds,
    gate_requirements,
    split_fractions,
)
from schemas.documents.ingest import IngestReport, PatientsByClass, SplitCounts
from tests.made_documents import ingest_report

FRACTIONS = {"unlabeled": 0.4, "train": 0.3, "validation": 0.1, "test": 0.2}


def report(fractions=FRACTIONS, **splits) -> IngestReport:
    """Counts: split -> patients in all, or patients without and with the finding."""
    counts, by_class = {}, {}
    for split in ("unlabeled", "train", "validation", "test", "shifted"):
        given = splits.get(split, 0)
        known = given if isinstance(given, tuple) else (0, 0)
        total = sum(given) if isinstance(given, tuple) else given
        counts[split] = SplitCounts(examples=2 * total, patients=total, labels={})
        if total:
            labels = {"a": {"0": known[0], "1": known[1]}}
            by_class[split] = PatientsByClass(labeled=sum(known), labels=labels)
    empty = ingest_report({})
    return empty.model_copy(
        update={"splits": counts, "patients": by_class, "fractions": dict(fractions)}
    )


def needs(required=(True, True), patients=(20, 20), per_class=10) -> GateNeeds:
    given = [
        DomainNeeds(required=r, min_patients=p, min_patients_per_class=per_class)
        for r, p in zip(required, patients, strict=True)
    ]
    return GateNeeds(in_distribution=given[0], shifted=given[1])


ENOUGH = {"unlabeled": 80, "train": (30, 30), "validation": (10, 10), "test": (20, 20)}


def lacks(found: IngestReport, wanted: GateNeeds) -> list[str]:
    check = gate_requirements(found, wanted, "stop")
    assert check.stops is bool(check.details)
    return [detail["lack"] for detail in check.details]


def test_enough_of_everything():
    check = gate_requirements(report(**ENOUGH, shifted=(10, 10)), needs(), "stop")
    assert check.passed
    assert check.details == ()


def test_no_shifted_images():
    (lack,) = lacks(report(**ENOUGH), needs())
    assert lack == (
        "there are no shifted images; name sites in data.shifted_sites, write domain=shifted in "
        "the manifest's rows, or add a part with the role shifted to data.parts, or set "
        "gate.shifted.required=false"
    )
    check = gate_requirements(report(**ENOUGH), needs(), "report")
    assert not check.passed
    assert not check.stops
    assert check.message == f"the model gate could bless no model: {lack}"


def test_what_is_not_required_is_not_missed():
    assert lacks(report(**ENOUGH), needs(required=(True, False))) == []
    few = report(**ENOUGH, shifted=(2, 0))
    assert lacks(few, needs(required=(True, False))) == []
    assert len(lacks(few, needs())) == 3


def test_nothing_is_required_where_no_gate_follows():
    assert gate_requirements(report(), None, "stop").passed


def test_a_class_is_absent_from_a_domain():
    (lack,) = lacks(report(**ENOUGH, shifted=(25, 0)), needs())
    assert lack.startswith("shifted has no image with a=1; ")
    assert "gate.shifted.required=false" in lack


def test_images_without_labels():
    found = report(**ENOUGH, shifted=30)
    (lack,) = lacks(found, needs())
    assert lack.startswith("no shifted image has a label; ")


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        # 12 test patients of 72, 20 wanted: 20 / 72 is 0.278.
        ((6, 6), "raise data.split.test from 0.2 to 0.28 of 72 patients"),
        ((10, 9), "raise data.split.test from 0.2 to 0.26 of 79 patients"),
    ],
)
def test_a_larger_fraction_that_would_do_is_named(test, expected):
    found = report(unlabeled=20, train=(15, 15), validation=(5, 5), test=test, shifted=(10, 10))
    lack, *_ = lacks(found, needs(per_class=1))
    assert lack.startswith(
        f"test has {sum(test)} patients with labels, fewer than gate.in_distribution.min_patients "
        f"20; {expected}, or lower"
    )


def test_too_few_patients_for_any_fraction():
    found = report(unlabeled=8, train=(3, 3), validation=(1, 1), test=(2, 2), shifted=(10, 10))
    (lack,) = lacks(found, needs(per_class=1))
    assert lack.endswith("at data.split.test 0.2 this takes 100 patients, not 20")
    given = report({}, train=(3, 3), validation=(1, 1), test=(2, 2), shifted=(10, 10))
    (lack,) = lacks(given, needs(per_class=1))
    assert lack.endswith("; add patients, or lower gate.in_distribution.min_patients")


@pytest.mark.parametrize(("patients", "missing"), [(19, 1), (20, 0)])
def test_minimum_of_patients_is_enough(patients, missing):
    shifted = (patients - 9, 9)
    assert len(lacks(report(**ENOUGH, shifted=shifted), needs(per_class=1))) == missing


def test_patients_of_each_class():
    (lack,) = lacks(report(**ENOUGH, shifted=(21, 9)), needs())
    assert lack == (
        "shifted has 9 patients with a=1, fewer than gate.min_patients_per_class 10; add patients "
        "of this class, or lower that setting"
    )
    assert lacks(report(**ENOUGH, shifted=(21, 10)), needs()) == []


def test_fractions_that_patients_give():
    check = split_fractions(report(**ENOUGH), "stop")
    assert check.passed
    assert split_fractions(report({}, train=(1, 1), test=(1, 0)), "stop").message == (
        "the source gives the splits, so data.split divides nobody"
    )


def test_too_few_patients_of_a_class():
    # Of 0.3 + 0.1 + 0.2, validation is a sixth: five patients are less than one for it.
    found = report(unlabeled=20, train=(20, 3), validation=(6, 1), test=(15, 1))
    check = split_fractions(found, "stop")
    assert check.stops
    assert check.message == (
        "too few patients for the fractions of data.split: 5 patients with a=1, validation takes "
        "6; add patients, raise the fraction, or merge classes"
    )
    six = report(unlabeled=20, train=(20, 3), validation=(6, 1), test=(15, 2))
    assert split_fractions(six, "stop").passed


def test_too_few_patients_in_all():
    found = report(unlabeled=3, train=(3, 0), validation=(1, 0), test=(2, 0))
    check = split_fractions(found, "report")
    assert "9 patients in distribution, validation takes 10" in check.message
    assert "0 patients with a=1, validation takes 6" in check.message
    assert not check.stops


def test_carved_validation():
    fractions = {"validation": 0.1, "train": 0.9}
    assert not split_fractions(
        report(fractions, train=(50, 8), validation=(5, 1), test=(9, 9)), "stop"
    ).passed
    assert split_fractions(
        report(fractions, train=(50, 9), validation=(5, 1), test=(0, 0)), "stop"
    ).passed
