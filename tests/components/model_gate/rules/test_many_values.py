"""Columns of many values: which of them are judged, counted by hand."""

import pandas as pd

from components.model_gate.rules.many_values import MAX_GROUPS, OTHERS, judgeable


def column(small: int, large: int) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Values of one patient each, and one value of so many patients with two images each."""
    names = [f"v{number}" for number in range(small)] + ["large"] * (2 * large)
    patients = [f"p{number}" for number in range(small)]
    patients += [f"q{number // 2}" for number in range(2 * large)]
    domains = ["in_distribution"] * len(names)
    return pd.Series(names), pd.Series(patients), pd.Series(domains)


def test_few_values_stay_as_they_are():
    names, patient, domain = column(MAX_GROUPS - 1, 1)
    assert names.nunique() == MAX_GROUPS
    assert judgeable(names, patient, domain, 2) is names


def test_of_many_those_with_enough_patients_stay_and_the_others_are_one():
    names, patient, domain = column(MAX_GROUPS, 3)
    found = judgeable(names, patient, domain, 3)
    assert found.tolist() == [OTHERS] * MAX_GROUPS + ["large"] * 6


def test_images_are_no_patients():
    names, patient, domain = column(MAX_GROUPS, 3)
    assert judgeable(names, patient, domain, 4) is None


def test_patients_of_two_domains_are_not_added_up():
    names, patient, domain = column(MAX_GROUPS, 4)
    domain[-4:] = "shifted"
    assert judgeable(names, patient, domain, 3) is None
    assert judgeable(names, patient, domain, 2)[MAX_GROUPS:].tolist() == ["large"] * 8
