"""The gate counts the models judged on a table, and judges each at its own level."""

import json
import sys
from io import BytesIO, TextIOWrapper

import numpy as np
import pandas as pd
import pytest

from components.model_gate.__main__ import main

POLICY = "resamples: 300\n"


def table(noise: float, seed: int = 0, patients: int = 160) -> pd.DataFrame:
    """One image a patient; labels and patients are the same for every seed."""
    random = np.random.default_rng(7)
    label = random.integers(0, 2, patients)
    error = np.random.default_rng(seed).normal(size=patients)
    score = 1 / (1 + np.exp(-(label * 3 - 1.5 + noise * error)))
    return pd.DataFrame(
        {
            "patient_id": [f"SECRET-{number}" for number in range(patients)],
            "domain": np.where(np.arange(patients) % 2, "shifted", "in_distribution"),
            "label": label,
            "score": score,
        }
    )


@pytest.fixture
def run(tmp_path, capsys):
    def judge(rows: pd.DataFrame, *arguments: str, policy: str = POLICY, name="a.csv"):
        (tmp_path / "policy.yaml").write_text(policy)
        rows.to_csv(tmp_path / name, index=False)
        given = ["--predictions", str(tmp_path / name), "--policy", str(tmp_path / "policy.yaml")]
        status = main([*given, *arguments])
        shown = capsys.readouterr()
        return status, json.loads(shown.out) if shown.out else None, shown.err

    return judge


def auc(verdict) -> dict:
    return verdict["metrics"]["in_distribution"]["auc"]


def test_second_model_is_judged_at_a_higher_level(run, tmp_path):
    first = run(table(1))[1]
    second = run(table(1, seed=1), name="b.csv")[1]
    alone = run(table(1, seed=1), "--ledger", "none")[1]
    wide = run(table(1, seed=1), "--ledger", "none", policy=POLICY + "confidence: 0.975\n")[1]
    assert (first["reuse"]["look"], second["reuse"]["look"]) == (1, 2)
    assert auc(second)["lower"] < auc(alone)["lower"]
    # Exactly what a policy of that level gives.
    assert second["metrics"] == wide["metrics"]
    assert second["gap"] == wide["gap"]
    assert second["delong"] == wide["delong"]
    assert second["settings"]["confidence"] == 0.95
    said = "this is the 2nd model judged on this test set; intervals at 97.5 %"
    assert said in second["warnings"]
    assert not any("model judged" in one for one in first["warnings"])
    assert "SECRET" not in (tmp_path / "gate_ledger.jsonl").read_text()


def test_first_look_is_a_note_and_no_warning(run):
    said = "this is the 1st model judged on this test set; intervals at 95 %"
    _, verdict, lines = run(table(1))
    assert f"note: {said}\n" in lines
    assert said not in verdict["warnings"]


def test_same_model_again_has_the_same_verdict(run, tmp_path):
    run(table(1))
    first, again = run(table(1, seed=1))[1], run(table(1, seed=1).sample(frac=1))[1]
    for verdict in (first, again):
        del verdict["provenance"]["judged_at"]
    # The order of the rows changes sums in their last digits only.
    assert again["reuse"] == first["reuse"]
    assert again["provenance"] == first["provenance"]
    assert again["outcome"] == first["outcome"]
    assert len((tmp_path / "gate_ledger.jsonl").read_text().splitlines()) == 2


def test_another_threshold_is_another_look(run):
    assert run(table(1))[1]["reuse"]["look"] == 1
    assert run(table(1), "--threshold", "0.3")[1]["reuse"]["look"] == 2


def test_look_after_the_plan_is_refused_and_measures_nothing(run):
    policy = POLICY + "reuse: {rule: planned, looks: 1}\n"
    assert run(table(1), policy=policy)[1]["reuse"]["refused"] is False
    status, verdict, lines = run(table(1, seed=1), policy=policy)
    reason = (
        "this is the 2nd model judged on this test set: 1 were planned, and nothing is measured"
    )
    assert (status, verdict["outcome"], verdict["reasons"]) == (4, "refused", [reason])
    assert verdict["metrics"] == {}
    assert reason in lines
    # Without a ledger, a plan promises nothing.
    status, verdict, _ = run(table(1), "--ledger", "none", policy=policy)
    assert status == 4
    assert "needs a ledger" in verdict["reasons"][0]


@pytest.mark.parametrize("way", ["none", "empty", "standard input", "policy"])
def test_what_is_not_counted_is_said(run, tmp_path, monkeypatch, capsys, way):
    if way == "standard input":
        run(table(1))
        (tmp_path / "gate_ledger.jsonl").unlink()
        content = (tmp_path / "a.csv").read_bytes()
        monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(content)))
        main(["--predictions", "-", "--policy", str(tmp_path / "policy.yaml")])
        verdict = json.loads(capsys.readouterr().out)
    elif way in ("none", "empty"):
        verdict = run(table(1), "--ledger", way.replace("empty", ""))[1]
    else:
        verdict = run(table(1), policy=POLICY + "ledger: ''\n")[1]
    assert verdict["reuse"]["counted"] is False
    assert any(
        one.startswith("looks at this test set were not counted") for one in verdict["warnings"]
    )
    assert not (tmp_path / "gate_ledger.jsonl").exists()


def test_folder_that_can_not_be_written_is_said(run, tmp_path, monkeypatch):
    from components.model_gate.standalone import judge

    monkeypatch.setattr(judge.os, "access", lambda path, mode: False)
    verdict = run(table(1))[1]
    assert verdict["reuse"]["counted"] is False
    assert "no permission to write" in verdict["reuse"]["message"]


def test_named_ledger_that_can_not_be_used_is_bad_input(run, tmp_path):
    damaged = tmp_path / "ledger"
    damaged.write_text("no ledger\n")
    for place, what in ((damaged, "is damaged in line 1"), (tmp_path, "can't be opened")):
        status, verdict, lines = run(table(1), "--ledger", str(place))
        assert (status, verdict) == (2, None)
        assert lines.startswith("error: ledger '")
        assert what in lines
        assert len(lines.splitlines()) == 1


def test_ledgers_of_option_policy_and_folder(run, tmp_path):
    policy = POLICY + f"ledger: {tmp_path / 'policy.jsonl'}\n"
    run(table(1), policy=policy)
    run(table(1), "--ledger", str(tmp_path / "option.jsonl"), policy=policy)
    run(table(1))
    names = {path.name for path in tmp_path.glob("*.jsonl")}
    assert names == {"policy.jsonl", "option.jsonl", "gate_ledger.jsonl"}


def test_provenance_names_what_was_judged(run, tmp_path):
    import hashlib

    from schemas.version import VERSION

    verdict = run(table(1))[1]
    made = verdict["provenance"]
    settings = dict(verdict["settings"])
    del settings["ledger"]
    policy = json.dumps(settings, sort_keys=True).encode()
    assert made["digests"]["policy"] == hashlib.sha256(policy).hexdigest()
    assert made["digests"]["model"] is None
    assert (made["version"], made["seed"]) == (VERSION, 0)
    assert made["libraries"]["numpy"] == np.__version__
    assert made["judged_at"].endswith("Z")
