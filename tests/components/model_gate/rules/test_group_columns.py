"""Columns of many values, counted by hand; no output tells of a few patients of a group."""

import numpy as np
import pandas as pd
import pytest

from components.model_gate.rules.group_columns import (
    FEW,
    MAX_GROUPS,
    OTHERS,
    judgeable,
    private,
)


def table(sizes: dict[tuple[str, str], int], images: int = 2) -> pd.DataFrame:
    """So many patients of each domain and site, each with so many images."""
    rows = [
        (f"{domain} {site} {patient}", domain, site)
        for (domain, site), number in sizes.items()
        for patient in range(number)
        for _ in range(images)
    ]
    return pd.DataFrame(rows, columns=["patient_id", "domain", "site"])


def named(sizes: dict[tuple[str, str], int], known: np.ndarray | None = None) -> dict:
    """Patients of each domain and name in what comes out."""
    made = table(sizes)
    shown = private(made, (), np.ones(len(made), bool) if known is None else known)
    counted = shown.groupby(["domain", "site"], observed=True)["patient_id"].nunique()
    return {key: int(number) for key, number in counted.items()}


ID, SHIFTED = "in_distribution", "shifted"


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        # Large enough everywhere.
        ({(ID, "a"): 9, (ID, "b"): 5}, {(ID, "a"): 9, (ID, "b"): 5}),
        # Three of one domain: no name in either.
        (
            {(ID, "a"): 9, (ID, "b"): 30, (SHIFTED, "a"): 3, (SHIFTED, "b"): 20},
            {(ID, FEW): 9, (ID, "b"): 30},
        ),
        # Small ones together are enough.
        (
            {(ID, "a"): 3, (ID, "b"): 4, (ID, "c"): 20},
            {(ID, FEW): 7, (ID, "c"): 20},
        ),
        # They are not: the smallest of the others joins them.
        (
            {(ID, "a"): 2, (ID, "b"): 6, (ID, "c"): 20},
            {(ID, FEW): 8, (ID, "c"): 20},
        ),
        # Nothing else is left to join: the column has no group.
        ({(ID, "a"): 2, (ID, "b"): 20}, {}),
        ({(ID, "a"): 4}, {}),
    ],
)
def test_few_patients_have_no_name(sizes, expected):
    assert named(sizes) == expected


def test_patients_without_a_label_do_not_count():
    """Nine patients of whom four have a label would be judged, and counted, as four."""
    sizes = {(ID, "a"): 9, (ID, "b"): 30, (ID, "c"): 40}
    made = table(sizes)
    known = ~((made["site"] == "a") & made["patient_id"].str[-1].isin(list("45678"))).to_numpy()
    assert named(sizes, known) == {(ID, FEW): 39, (ID, "c"): 40}


def test_names_lose_what_a_terminal_obeys():
    made = table({(ID, "a\n::error::b"): 9, (ID, "\x1b[2Jblessed\u202e"): 9})
    shown = private(made, (), np.ones(len(made), bool))
    assert set(shown["site"]) == {"a\\n::error::b", "\\x1b[2Jblessed\\u202e"}


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
