"""No output names or counts a few patients of a group, nor lets them be worked out."""

import numpy as np
import pandas as pd
import pytest

from components.model_gate.rules.groups import FEW, private


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
    counted = shown.groupby(["domain", "site"])["patient_id"].nunique()
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
