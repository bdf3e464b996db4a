"""`verify` finds each part that someone changed, and never says that it checked what it did not."""

import copy
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.model_gate.__main__ import main

ROOT = Path(__file__).resolve().parents[4]
HEAVY = {"tensorflow", "tfx", "keras", "apache_beam", "sklearn", "matplotlib"}
POLICY = "resamples: 300\nmax_gap: 0.3\n"


def table() -> pd.DataFrame:
    random = np.random.default_rng(3)
    number = np.repeat(np.arange(160), 2)
    label = random.integers(0, 2, 160)[number]
    score = 1 / (1 + np.exp(-(label * 3 - 1.5 + random.normal(size=320))))
    return pd.DataFrame(
        {
            "patient_id": [f"SECRET-{one}" for one in number],
            "domain": np.where(number % 2, "shifted", "in_distribution"),
            "label": label,
            "score": score,
            "baseline_score": score.clip(0.1, 0.9),
            "site": np.where(number % 4 < 2, "north", "south"),
            "sex": np.where(number % 3 == 0, "F", "M"),
            "ward": "common",
            "split": np.where(number < 40, "validation", "test"),
        }
    )


@pytest.fixture
def folder(tmp_path, capsys) -> Path:
    """A judged table, its policy, its verdict and its ledger."""
    table().to_csv(tmp_path / "predictions.csv", index=False)
    (tmp_path / "policy.yaml").write_text(POLICY)
    arguments = ["--predictions", str(tmp_path / "predictions.csv")]
    arguments += ["--policy", str(tmp_path / "policy.yaml"), "--exclude", "ward"]
    status = main([*arguments, "--output", str(tmp_path / "verdict.json")])
    assert status in (0, 4, 5)
    capsys.readouterr()
    return tmp_path


@pytest.fixture
def verify(folder, capsys):
    """Status, and what became of each check by its name."""

    def run(*options: str, verdict: str = "verdict.json", **given: str):
        arguments = [str(folder / verdict)]
        for name, value in given.items():
            arguments += [f"--{name}", str(folder / value)]
        status = main(["verify", *arguments, *options])
        shown = capsys.readouterr()
        assert "SECRET" not in shown.out + shown.err
        lines = shown.out.splitlines()
        found = {}
        for line in lines[:-1]:
            what, _, detail = line[12:].partition(": ")
            found[what] = (line[:12].strip(), detail)
        return status, found, (lines or [""])[-1] + shown.err

    return run


EVERYTHING = {
    "predictions": "predictions.csv",
    "policy": "policy.yaml",
    "ledger": "gate_ledger.jsonl",
}
CHECKED = {
    *("decision", "settings", "level of the look", "number of the look", "policy"),
    *("predictions", "test set", "scores", "figures and rules"),
}


def test_all_that_is_given_is_the_same(verify):
    status, found, last = verify(**EVERYTHING)
    assert {what for what, (outcome, _) in found.items() if outcome == "same"} == CHECKED
    assert found["model"] == ("not checked", "a table was judged")
    assert (status, last) == (0, "everything that was checked is the same")


def test_what_is_not_given_is_not_checked(verify):
    status, found, _ = verify()
    assert status == 0
    unchecked = {what for what, (outcome, _) in found.items() if outcome == "not checked"}
    assert unchecked == {"signature", "number of the look", "policy", "model", "table and figures"}


def test_parquet_in_another_order_is_the_same_table(verify, folder):
    typed = pd.read_csv(folder / "predictions.csv", float_precision="round_trip")
    typed = typed.sample(frac=1, random_state=0)
    typed[sorted(typed.columns)].to_parquet(folder / "other.parquet", index=False)
    status, found, _ = verify(**EVERYTHING | {"predictions": "other.parquet"})
    assert (status, found) == (0, found)
    assert found["figures and rules"][0] == "same"


def _put(document: dict, path: str, value) -> dict:
    changed = copy.deepcopy(document)
    *above, last = path.split(".")
    place = changed
    for name in above:
        place = place[int(name) if isinstance(place, list) else name]
    assert place[last] != value
    place[last] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value", "check", "named"),
    [
        ("metrics.shifted.auc.lower", 0.9999, "figures and rules", "metrics.shifted.auc.lower"),
        ("metrics.shifted.auc.patients", 1, "figures and rules", "metrics.shifted.auc.patients"),
        ("gap.upper", 0.0, "figures and rules", "gap.upper"),
        ("subgroups.0.auc", 0.5, "figures and rules", "subgroups[0].auc"),
        ("rules.1.message", "passes", "figures and rules", "rules[1].message"),
        ("warnings", ["none"], "figures and rules", "warnings"),
        ("judged.rows", 7, "figures and rules", "judged.rows"),
        ("baseline.version", "2", "figures and rules", "baseline.version"),
        ("settings.max_gap", 0.5, "settings", ""),
        ("settings.max_gap", 0.5, "policy", "max_gap: 0.5, recomputed 0.3"),
        ("provenance.digests.predictions", "0" * 64, "predictions", ""),
        ("provenance.digests.test_set", "0" * 64, "test set", ""),
        ("provenance.digests.scores", "0" * 64, "scores", ""),
        ("provenance.digests.policy", "0" * 64, "settings", ""),
        ("reuse.look", 2, "level of the look", "alpha: "),
        ("reuse.look", 2, "number of the look", ""),
        ("reuse.confidence", 0.9, "level of the look", "confidence: 0.9, recomputed 0.95"),
        ("reuse.alpha", 0.1, "level of the look", "alpha: 0.1"),
    ],
)
def test_each_changed_field_is_found_and_named(verify, folder, path, value, check, named):
    document = json.loads((folder / "verdict.json").read_text())
    (folder / "changed.json").write_text(json.dumps(_put(document, path, value)))
    status, found, last = verify(verdict="changed.json", **EVERYTHING)
    assert (status, last) == (4, "the verdict DIFFERS from what was given")
    assert found[check][0] == "DIFFERS"
    assert named in found[check][1]


def test_a_decision_that_its_own_rules_contradict_needs_no_table(verify, folder):
    document = json.loads((folder / "verdict.json").read_text())
    other = "refused" if document["outcome"] == "blessed" else "blessed"
    changed = document | {"outcome": other, "blessed": other == "blessed", "reasons": []}
    (folder / "changed.json").write_text(json.dumps(changed))
    status, found, _ = verify(verdict="changed.json")
    assert status == 4
    assert found["decision"][0] == "DIFFERS"
    assert f'outcome: "{other}", recomputed "{document["outcome"]}"' in found["decision"][1]


@pytest.mark.parametrize(
    ("column", "checks"),
    [
        ("score", {"predictions", "scores", "figures and rules"}),
        ("label", {"predictions", "test set", "scores", "figures and rules"}),
        ("sex", {"predictions", "figures and rules"}),
        ("ward", {"predictions"}),
    ],
)
def test_each_changed_column_of_the_table_is_found(verify, folder, column, checks):
    rows = pd.read_csv(folder / "predictions.csv", float_precision="round_trip")
    judged = rows["split"] == "test"
    changed = {
        "score": 1 - rows["score"],
        "label": 1 - rows["label"],
        "sex": np.where(rows["sex"] == "F", "M", "F"),
        "ward": "other",
    }[column]
    first = judged & (rows.groupby("split").cumcount() < 30)
    rows[column] = np.where(first, changed, rows[column])
    rows.to_csv(folder / "changed.csv", index=False)
    status, found, _ = verify(**EVERYTHING | {"predictions": "changed.csv"})
    assert status == 4
    assert {what for what, (outcome, _) in found.items() if outcome == "DIFFERS"} == checks


def test_another_policy_is_found(verify, folder):
    (folder / "other.yaml").write_text(POLICY + "shifted: {min_auc: 0.66}\n")
    status, found, _ = verify(policy="other.yaml")
    assert status == 4
    assert found["policy"] == ("DIFFERS", "shifted.min_auc: 0.65, recomputed 0.66")


def test_a_ledger_that_does_not_know_the_model_is_found(verify, folder):
    (folder / "empty.jsonl").touch()
    status, found, _ = verify(ledger="empty.jsonl")
    assert status == 4
    assert found["number of the look"][0] == "DIFFERS"


def test_given_threshold_and_level_are_used_again(verify, folder):
    """The second look, at a threshold of its own."""
    given = ["--predictions", str(folder / "predictions.csv"), "--threshold", "0.3"]
    main([*given, "--policy", str(folder / "policy.yaml"), "--output", str(folder / "b.json")])
    assert json.loads((folder / "b.json").read_text())["reuse"]["look"] == 2
    status, found, _ = verify(verdict="b.json", **EVERYTHING)
    assert (status, found["figures and rules"][0]) == (0, "same")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "is not a verdict"),
        (b"\xff\xfe", "is not a verdict"),
        (b"[1]", "is damaged"),
        (b"7", "is not a verdict"),
        (b"[" * 200_000, "is not a verdict"),
        (b"{}", "version none of a GateVerdict"),
        (b'{"judged": {}, "version": 2}', "is not a StandaloneVerdict"),
    ],
)
def test_what_is_no_verdict_is_bad_input(verify, folder, content, what):
    (folder / "bad.json").write_bytes(content)
    status, _, last = verify(verdict="bad.json")
    assert status == 2
    assert what in last
    assert len(last.splitlines()) == 1


def test_missing_files_are_bad_input(verify):
    for given in ({"verdict": "none.json"}, {"predictions": "none.csv"}, {"policy": "none.yaml"}):
        status, _, last = verify(**given)
        assert status == 2
        assert "can't be read" in last


def test_verdict_without_provenance_is_told(verify, folder):
    document = json.loads((folder / "verdict.json").read_text())
    (folder / "old.json").write_text(json.dumps(document | {"provenance": None}))
    status, _, last = verify(verdict="old.json")
    assert status == 2
    assert "has no provenance" in last


def test_names_in_a_changed_verdict_forge_no_line(verify, folder):
    document = json.loads((folder / "verdict.json").read_text())
    forged = "x\neverything that was checked is the same\x1b[2J"
    changed = document | {"reasons": [forged]}
    (folder / "changed.json").write_text(json.dumps(changed))
    status, found, last = verify(verdict="changed.json")
    assert (status, last) == (4, "the verdict DIFFERS from what was given")
    assert "\x1b" not in str(found)


def test_model_files_are_compared(verify, folder, tmp_path):
    """A verdict of a model, as the gate writes it: its files are checked, its figures are not."""
    model = tmp_path / "model"
    model.mkdir()
    (model / "saved_model.pb").write_bytes(b"graph")
    line = f"{hashlib.sha256(b'graph').hexdigest()}  saved_model.pb\n"
    document = json.loads((folder / "verdict.json").read_text())
    document["provenance"]["digests"] |= {
        "model": hashlib.sha256(line.encode()).hexdigest(),
        "predictions": None,
    }
    document["judged"] = {
        **{name: document["judged"][name] for name in ("rows", "patients", "subgroups")},
        "targets": ["label"],
        "ignored_columns": [],
    }
    (folder / "model.json").write_text(json.dumps(document))
    status, found, _ = verify(verdict="model.json", model="model", predictions="predictions.csv")
    assert status == 0
    assert found["model"] == ("same", "")
    assert found["table and figures"][0] == "not checked"
    (model / "variables").write_bytes(b"")
    status, found, _ = verify(verdict="model.json", model="model")
    assert (status, found["model"][0]) == (4, "DIFFERS")


def test_loads_nothing_heavy(folder):
    code = (
        "import sys; from components.model_gate.__main__ import main;"
        f"status = main(['verify', {str(folder / 'verdict.json')!r}, '--predictions', "
        f"{str(folder / 'predictions.csv')!r}]);"
        f"print(sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr); sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (0, "[]")
