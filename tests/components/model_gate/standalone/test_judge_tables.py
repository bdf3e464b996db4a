"""Tables as hospitals have them: several findings, missing labels, pipes, odd ids."""

import gzip
import io
import json
import sys

import numpy as np
import pandas as pd
import pytest

from components.model_gate.__main__ import main
from components.model_gate.standalone.finding_columns import targets_of
from schemas.errors import InputError

POLICY = "resamples: 200\n"


def patients(number: int = 120, auc_shift: float = 2.5, seed: int = 0) -> pd.DataFrame:
    """One image a patient, half of them shifted; scores are calibrated."""
    random = np.random.default_rng(seed)
    label = random.random(2 * number) < 0.5
    score = auc_shift * label + random.normal(size=2 * number)
    return pd.DataFrame(
        {
            "patient_id": [f"p{one:04d}" for one in range(2 * number)],
            "domain": np.repeat(["in_distribution", "shifted"], number),
            "label": label.astype(int),
            "score": 1 / (1 + np.exp(auc_shift**2 / 2 - auc_shift * score)),
        }
    )


@pytest.fixture
def run(tmp_path, capsys):
    """Status, verdict and lines for people."""

    def judge(table: pd.DataFrame, *arguments: str, policy: str = POLICY):
        path, rules = tmp_path / "table.csv", tmp_path / "policy.yaml"
        table.to_csv(path, index=False)
        rules.write_text(policy)
        # Each table is the first that is judged; ledgers have tests of their own.
        (tmp_path / "gate_ledger.jsonl").unlink(missing_ok=True)
        status = main(["--predictions", str(path), "--policy", str(rules), *arguments])
        shown = capsys.readouterr()
        return status, json.loads(shown.out) if shown.out else None, shown.err

    return judge


def unlabelled(verdict: dict) -> list[tuple[str, str]]:
    rules = [rule for rule in verdict["rules"] if rule["name"] == "unlabeled ceiling"]
    return [(rule["slice"], rule["status"]) for rule in rules]


def test_missing_labels_are_counted_and_have_a_ceiling(run):
    """Ten of 120 are under the ceiling of a tenth, thirteen are not: the worst positives."""
    table = patients()
    table["label"] = table["label"].astype(object)
    in_distribution = table["domain"] == "in_distribution"
    worst = table[in_distribution & (table["label"] == 1)].sort_values("score").index
    called = int((table.loc[worst[:10], "score"] >= 0.5).sum())
    table.loc[worst[:10], "label"] = ""
    status, verdict, lines = run(table)
    assert (status, unlabelled(verdict)[0]) == (0, ("in_distribution", "pass"))
    assert verdict["unlabelled"]["in_distribution"]["label"] == {
        "images": 120,
        "unlabelled": 10,
        "called": {"positive": called, "negative": 10 - called},
    }
    assert f"10 of 120 images have no label (the model calls {called} positive" in lines
    table.loc[worst[:13], "label"] = ""
    status, verdict, _ = run(table)
    assert (status, verdict["outcome"]) == (4, "refused")
    assert unlabelled(verdict) == [("in_distribution", "fail"), ("shifted", "pass")]
    lenient = POLICY + "in_distribution: {max_unlabelled: 0.2}\n"
    assert run(table, policy=lenient)[0] == 0


def test_findings_are_judged_one_by_one(run):
    good, bad = patients(seed=1), patients(seed=2)
    bad["score"] = np.random.default_rng(3).random(len(bad))
    table = good[["patient_id", "domain"]].assign(
        **{"label/edema": good["label"], "score/edema": good["score"]}
    )
    policy = POLICY + "max_gap: 1\n"
    both = table.assign(**{"label/mass": patients(seed=4)["label"].to_numpy()})
    fine = both.assign(**{"score/mass": patients(seed=4)["score"].to_numpy()})
    status, verdict, _ = run(fine, policy=policy)
    assert status == 0
    from sklearn.metrics import roc_auc_score

    for domain, metrics in verdict["metrics"].items():
        rows = fine[fine["domain"] == domain]
        for name in ("edema", "mass"):
            expected = roc_auc_score(rows[f"label/{name}"], rows[f"score/{name}"])
            assert metrics[f"auc/{name}"]["value"] == pytest.approx(expected)
    assert verdict["judged"]["thresholds"] == {"edema": 0.5, "mass": 0.5}
    assert verdict["judged"]["threshold"] is None
    status, verdict, _ = run(both.assign(**{"score/mass": bad["score"]}), policy=policy)
    assert status == 4
    failed = {rule["metric"] for rule in verdict["rules"] if rule["status"] == "fail"}
    assert "auc/mass" in failed
    assert "auc/edema" not in failed


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (["label", "label/a", "score/a"], "beside 'label/a'"),
        (["label/a", "score/a", "score/b"], "'score/b' has no column"),
        (["label/a", "score/a", "label/b", "score/b", "baseline_score/a"], "or of none"),
    ],
)
def test_columns_of_findings_that_do_not_fit(columns, words):
    with pytest.raises(InputError, match=words):
        targets_of(columns)


def test_a_finding_without_scores_is_named(run):
    table = patients().rename(columns={"label": "label/a", "score": "score/a"})
    status, _, lines = run(table.assign(**{"label/b": 1}))
    assert status == 2
    assert "column 'score/b' is missing" in lines


@pytest.mark.parametrize("name", ["nan", "NaN", "None", "NULL", "<NA>", ""])
def test_a_missing_patient_is_no_patient(run, name):
    table = patients()
    table.loc[3, "patient_id"] = name
    status, _, lines = run(table)
    assert status == 2
    assert "predictions, row 5 (1 such rows): column 'patient_id' is empty" in lines


def test_what_is_odd_about_ids_is_said(run):
    table = patients()
    odd = ("counts the rows", "repeat the image_id", "in both domains")
    assert not any(words in str(run(table)[1]["warnings"]) for words in odd)
    numbered = table.assign(patient_id=np.random.default_rng(0).permutation(len(table)) + 1)
    assert any("patient_id counts the rows" in one for one in run(numbered)[1]["warnings"])
    twice = table.assign(image_id=["a", "b", "b", "b", *map(str, range(len(table) - 4))])
    assert any(one.startswith("2 rows repeat the image_id") for one in run(twice)[1]["warnings"])
    shared = table.copy()
    shared.loc[120:122, "patient_id"] = shared.loc[0:2, "patient_id"].to_numpy()
    assert any(
        one.startswith("3 patients have images in both") for one in run(shared)[1]["warnings"]
    )


def test_the_threshold_is_chosen_in_distribution_alone(run):
    """Shifted validation rows, with scores of another scale, change nothing."""
    table = patients().assign(split="test")
    chosen = patients(seed=5).assign(split="validation")
    chosen["patient_id"] = "v" + chosen["patient_id"]
    alone = run(pd.concat([table, chosen[chosen["domain"] == "in_distribution"]]))[1]["judged"]
    chosen.loc[chosen["domain"] == "shifted", "score"] /= 10
    both = run(pd.concat([table, chosen]))[1]["judged"]
    assert both["threshold"] == alone["threshold"]
    assert both["threshold_chosen"].startswith("on 120 in-distribution validation rows")
    status, _, lines = run(pd.concat([table, chosen[chosen["domain"] == "shifted"]]))
    assert status == 2
    assert "in-distribution validation rows need labels of both classes" in lines


def test_a_column_of_many_values_is_judged_where_there_are_enough_patients(run):
    hospital = [f"h{one}" if one < 60 else "large" for one in range(120)] * 2
    status, verdict, _ = run(patients().assign(hospital=hospital))
    assert status == 0
    groups = {
        (one["value"], one["patients"])
        for one in verdict["subgroups"]
        if one["column"] == "subgroup/hospital"
    }
    assert groups == {("large", 60), ("(other values)", 60)}


def test_a_misspelled_required_group_is_refused(run):
    table = patients().assign(sex=["F", "M"] * 120)
    for named, status in (("sex", 0), ("sexx", 4), ("sex=X", 4)):
        policy = POLICY + f"subgroups: {{required_groups: ['{named}']}}\n"
        found, verdict, _ = run(table, policy=policy)
        assert found == status
        if status:
            assert verdict["reasons"] == [
                f"required group '{named}': no domain has labeled images of five of its patients"
            ]


def timeless(verdict: dict) -> dict:
    """All but when it was judged."""
    del verdict["provenance"]["judged_at"]
    return verdict


def test_pipes_and_gzip_give_the_same_verdict(run, tmp_path, monkeypatch, capsys):
    table = patients()
    # Standard input has no place for a ledger.
    counted = ["--ledger", str(tmp_path / "ledger.jsonl")]
    expected = timeless(run(table, *counted)[1])
    content = (tmp_path / "table.csv").read_bytes()
    packed = tmp_path / "table.csv.gz"
    packed.write_bytes(gzip.compress(content))
    policy = ["--policy", str(tmp_path / "policy.yaml"), *counted]
    assert main(["--predictions", str(packed), *policy]) == 0
    assert timeless(json.loads(capsys.readouterr().out)) == expected
    for given in (content, gzip.compress(content)):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        assert main(["--predictions", "-", *policy]) == 0
        assert timeless(json.loads(capsys.readouterr().out)) == expected
    packed.write_bytes(gzip.compress(content)[:-20])
    assert main(["--predictions", str(packed), *policy]) == 2
    assert "are damaged gzip" in capsys.readouterr().err


def test_parquet_names_that_differ_by_blanks(run, tmp_path, capsys):
    path = tmp_path / "table.parquet"
    patients().assign(**{"score ": 0.5}).to_parquet(path)
    assert main(["--predictions", str(path)]) == 2
    assert "columns [5] have the name of an earlier one" in capsys.readouterr().err


def test_one_set_of_defaults(tmp_path):
    from components.model_gate.policy.files import LIBRARY, load_policy

    path = tmp_path / "policy.yaml"
    default = load_policy("", serves=False)
    smoke = (LIBRARY / "smoke.yaml").read_text()
    for text in (smoke, "{}", "max_gap: 0.2", "shifted: {min_patients: 30}"):
        path.write_text(text)
        assert load_policy(str(path), serves=False) == default
