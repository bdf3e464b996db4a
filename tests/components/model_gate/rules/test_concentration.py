"""Warnings where few patients decide: at the bounds, and a little beside them."""

import dataclasses

import pytest

from components.model_gate.rules import concentration
from components.statistics.intervals import Interval

NAN = float("nan")


def auc(value=0.875, effective=30.0, by_class=None) -> Interval:
    by_class = {"positive": 40, "negative": 160} if by_class is None else by_class
    return Interval(value, 0.75, 0.9375, 200, 900, by_class=by_class, effective=effective)


def warned(by_image, by_patient, domain="shifted"):
    metrics = {domain: {"auc": by_image, "auc_by_patient": by_patient}}
    return list(concentration.warnings(metrics))


def test_patients_of_about_equal_size_give_no_warning():
    assert warned(auc(), auc(effective=38.0)) == []


@pytest.mark.parametrize(("effective", "few"), [(10.0, False), (9.5, True)])
def test_a_quarter_of_the_patients_of_the_smaller_class_is_the_least(effective, few):
    found = warned(auc(effective=effective), auc(effective=38.4))
    assert len(found) == few
    for line in found:
        assert line.startswith("shifted: few patients have most of the images")
        assert "40 patients of the smaller class say as much as 10 of one image each" in line
        assert line.endswith("by patient as much as 38")


# Binary fractions, so that the difference is exact: 3/64 is below 0.05, 4/64 above.
@pytest.mark.parametrize(("apart", "told"), [(3 / 64, False), (4 / 64, True)])
@pytest.mark.parametrize("sign", [1, -1])
def test_aucs_further_apart_than_a_twentieth_are_told(apart, told, sign):
    found = warned(auc(), auc(0.875 + sign * apart))
    assert len(found) == told
    for line in found:
        other = f"{0.875 + sign * apart:.3f}"
        assert line.startswith(f"shifted: the AUC is 0.875 by image and {other} by patient")


def test_every_domain_is_looked_at_and_both_things_are_told():
    few = {"auc": auc(effective=5.0), "auc_by_patient": auc(0.75)}
    absent = {"auc": auc(effective=5.0)}
    undefined = dataclasses.replace(auc(effective=5.0), lower=NAN)
    metrics = {
        "one": {},
        "two": absent,
        "three": {"auc_by_patient": auc(0.75)},
        "four": {"auc": undefined, "auc_by_patient": auc(0.75)},
        "five": {"auc": auc(effective=5.0), "auc_by_patient": dataclasses.replace(undefined)},
        "shifted": few,
    }
    found = list(concentration.warnings(metrics))
    assert [line.partition(":")[0] for line in found] == ["shifted", "shifted"]
    assert "few patients" in found[0]
    assert "by image and 0.750 by patient" in found[1]


def test_without_known_classes_no_patient_is_too_few():
    assert warned(auc(effective=NAN, by_class={}), auc(effective=NAN)) == []
    assert warned(auc(effective=0.0, by_class={}), auc()) == []
