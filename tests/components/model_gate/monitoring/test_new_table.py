"""New tables in the form in which tables are judged, whatever their columns are called."""

import numpy as np
import pandas as pd
import pytest

from components.model_gate.monitoring.new_table import prepare
from schemas.documents.reference import DomainReference, Histogram, TargetReference
from schemas.errors import InputError


def reference(*targets: str, threshold: float | None = 0.4) -> dict:
    one = TargetReference(
        scores=Histogram(edges=(0.5,), patients=(9, 9)),
        threshold=threshold,
        positive_rate=None,
        calibration=(),
        map=None,
    )
    known = DomainReference(
        patients=18, images=18, targets=dict.fromkeys(targets, one), statistics={}
    )
    return {"in_distribution": known}


def raw(**columns: list[str]) -> pd.DataFrame:
    named = {name.replace("__", "/"): values for name, values in columns.items()}
    return pd.DataFrame({"patient_id": ["a", "b", "b"]} | named, index=[2, 3, 4], dtype=object)


@pytest.mark.parametrize("column", ["score", "score__edema"])
def test_a_single_finding_may_be_named_or_not(column):
    made = raw(**{column: ["0.1", "0.4", "0.9"]})
    found = prepare(made, reference("edema"), "", None)
    assert found.table["prediction/edema"].tolist() == [0.1, 0.4, 0.9]
    assert found.table["decision/edema"].tolist() == [0, 1, 1]
    assert (found.domain, found.decided, found.labelled.any()) == ("in_distribution", True, False)


def test_labels_of_some_findings_and_rows():
    made = raw(
        score__edema=["0.1", "0.4", "0.9"],
        score__mass=["0.5", "0.5", "0.5"],
        label__edema=["", "1", "1"],
    )
    found = prepare(made, reference("edema", "mass"), "", None)
    assert found.labelled.tolist() == [False, True, True]
    assert found.table["label/mass/weight"].tolist() == [0, 0, 0]
    assert found.task.labels == ("edema", "mass")


def test_the_model_decides_where_the_verdict_has_no_threshold():
    made = raw(score=["0.1", "0.4", "0.9"], decision=["1", "0", "1"])
    found = prepare(made, reference("edema", threshold=None), "", None)
    assert (found.table["decision/edema"].tolist(), found.decided) == ([1, 0, 1], True)
    found = prepare(made, reference("edema", threshold=None), "", 0.95)
    assert found.table["decision/edema"].tolist() == [0, 0, 0]
    alone = prepare(made.drop(columns="decision"), reference("edema", threshold=None), "", None)
    assert not alone.decided


def test_digests_tell_content_and_options_apart_and_nothing_else():
    made = raw(score=["0.1", "0.4", "0.9"], statistic__mean=["1", "2", "3"])
    known = reference("edema")
    first = prepare(made, known, "", None)
    same = [
        made[::-1],
        made.set_axis([7, 8, 9]),
        made.assign(score=["0.10", "4e-1", "0.9"], other="x"),
        made[["statistic/mean", "score", "patient_id"]],
    ]
    others = [
        made.assign(score=["0.1", "0.4", "0.8"]),
        made.assign(patient_id=["a", "a", "b"]),
        made.assign(label=["1", "", ""]),
        made[:2],
    ]
    assert {prepare(one, known, "", None).digest(1) for one in same} == {first.digest(1)}
    digests = [prepare(one, known, "", None).digest(1) for one in others]
    assert len({*digests, first.digest(1), first.digest(2)}) == len(others) + 2


def test_what_is_no_reference_of_the_table_is_said():
    made = raw(score=["0.1", "0.4", "0.9"])
    with pytest.raises(InputError, match="no reference of it, but of in_distribution"):
        prepare(made, reference("edema"), "shifted", None)
    with pytest.raises(InputError, match="has no scores of any finding"):
        prepare(made, reference(), "", None)
    with pytest.raises(InputError, match=r"row 3 \(1 such rows\): column 'domain'"):
        prepare(made.assign(domain=["", "north", ""]), reference("edema"), "", None)


def test_a_score_that_is_missing_is_not_a_decision():
    found = prepare(raw(score=["0.1", "", "0.9"]), reference("edema"), "", None)
    assert np.isnan(found.table["decision/edema"].tolist()[1])
