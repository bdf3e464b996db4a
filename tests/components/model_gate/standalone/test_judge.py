"""The gate as a tool: anyone's table of predictions in, JSON and an exit status out."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.model_gate.__main__ import main
from components.model_gate.policy.files import load_policy

ROOT = Path(__file__).resolve().parents[4]
HEAVY = {"tensorflow", "tfx", "keras", "apache_beam", "tensorflow_model_analysis"}
FAST = "resamples: 300\n"


@pytest.fixture(scope="module")
def predictions() -> pd.DataFrame:
    """Predictions of a scikit-learn model on synthetic patients of two images each."""
    from sklearn.linear_model import LogisticRegression

    random = np.random.default_rng(0)
    patients = 600
    number = np.repeat(np.arange(patients), 2)
    severity = random.normal(size=patients)
    label = (severity + random.normal(size=patients) * 0.5 > 0).astype(int)[number]
    images = severity[number][:, None] + random.normal(size=(2 * patients, 3)) * 0.5
    train = number < 200
    model = LogisticRegression().fit(images[train], label[train])
    table = pd.DataFrame(
        {
            "patient_id": [f"SECRET-{one:04d}" for one in number],
            "domain": np.where(number < 450, "in_distribution", "shifted"),
            "label": label,
            "score": model.predict_proba(images)[:, 1],
            "site": np.where(number % 2 == 0, "north", "south"),
            "sex": np.where(number % 3 == 0, "F", "M"),
            "split": np.where(number < 300, "validation", "test"),
        }
    )
    return table[~train].reset_index(drop=True)


@pytest.fixture
def run(tmp_path, capsys):
    """Judges a table in this process; gives the status, the verdict and the lines for people."""

    def judge(table: pd.DataFrame | bytes, *arguments: str, policy: str = FAST):
        path = tmp_path / "predictions.csv"
        if isinstance(table, bytes):
            path.write_bytes(table)
        else:
            table.to_csv(path, index=False)
        rules = tmp_path / "policy.yaml"
        rules.write_text(policy)
        # Each table is the first that is judged; ledgers have tests of their own.
        (tmp_path / "gate_ledger.jsonl").unlink(missing_ok=True)
        status = main(["--predictions", str(path), "--policy", str(rules), *arguments])
        shown = capsys.readouterr()
        assert "SECRET" not in shown.out + shown.err
        return status, json.loads(shown.out) if shown.out else None, shown.err

    return judge


def failed(verdict) -> set[tuple[str, str]]:
    return {(rule["name"], rule["slice"]) for rule in verdict["rules"] if rule["status"] == "fail"}


def test_good_model_is_blessed(run, predictions):
    from sklearn.metrics import roc_auc_score

    status, verdict, lines = run(predictions)
    assert (status, verdict["blessed"], verdict["reasons"]) == (0, True, [])
    assert lines.endswith("\nblessed\n")
    for domain, metrics in verdict["metrics"].items():
        rows = predictions[(predictions["domain"] == domain) & (predictions["split"] == "test")]
        expected = roc_auc_score(rows["label"], rows["score"])
        assert metrics["auc"]["value"] == pytest.approx(expected, abs=1e-12)
        assert metrics["auc"]["patients"] == rows["patient_id"].nunique() == 150
    groups = {(one["column"], one["value"]) for one in verdict["subgroups"]}
    assert groups == {
        ("site", "north"),
        ("site", "south"),
        ("subgroup/sex", "F"),
        ("subgroup/sex", "M"),
    }
    assert (
        verdict["judged"]["threshold_chosen"] == "on 200 in-distribution validation rows (youden)"
    )


def shuffled(table: pd.DataFrame) -> pd.DataFrame:
    label = np.random.default_rng(1).permutation(table["label"].to_numpy())
    return table.assign(label=label)


def broken_under_shift(table: pd.DataFrame) -> pd.DataFrame:
    shifted = table["domain"] == "shifted"
    return table.assign(score=table["score"].where(~shifted, 1 - table["score"]))


def overconfident(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(score=table["score"] ** 8)


def with_nan(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(score=table["score"].where(table.index != 700))


def with_nan_where_the_threshold_is_chosen(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(score=table["score"].where(table.index != 0))


def blind_for_women(table: pd.DataFrame) -> pd.DataFrame:
    noise = np.random.default_rng(2).random(len(table))
    return table.assign(score=table["score"].where(table["sex"] == "M", noise))


def worse_than_the_baseline(table: pd.DataFrame) -> pd.DataFrame:
    noise = np.random.default_rng(3).normal(size=len(table)) * 0.7
    worse = (table["score"] + noise).clip(0, 1)
    return table.assign(score=worse, baseline_score=table["score"])


@pytest.mark.parametrize(
    ("damage", "rule"),
    [
        (shuffled, ("auc floor", "in_distribution")),
        (broken_under_shift, ("auc floor", "shifted")),
        (broken_under_shift, ("gap ceiling", "in_distribution - shifted")),
        (overconfident, ("calibration error ceiling", "in_distribution")),
        (with_nan, ("probabilities", "")),
        (with_nan_where_the_threshold_is_chosen, ("probabilities", "")),
        (blind_for_women, ("subgroup floor", "in_distribution, subgroup/sex=F")),
        (worse_than_the_baseline, ("non-inferiority", "in_distribution")),
    ],
)
def test_planted_bad_model_is_refused_for_its_reason(run, predictions, damage, rule):
    policy = FAST + "in_distribution: {max_calibration_error: 0.1}\nsubgroups: {min_auc: 0.6}\n"
    status, verdict, lines = run(damage(predictions), policy=policy)
    assert (status, verdict["blessed"]) == (4, False)
    assert rule in failed(verdict)
    assert len(verdict["reasons"]) >= 1
    assert lines.endswith("NOT blessed\n")


def test_only_the_calibration_speaks_against_the_overconfident_model(run, predictions):
    off = "calibration_slope: null, calibration_intercept: null, max_calibration_error"
    policy = FAST + f"in_distribution: {{{off}: 0.1}}\nshifted: {{{off}: 1}}\n"
    assert failed(run(overconfident(predictions), policy=policy)[1]) == {
        ("calibration error ceiling", "in_distribution")
    }


def test_model_worse_than_the_baseline_in_a_subgroup_only(run, predictions):
    off = "{calibration_slope: null, calibration_intercept: null, max_calibration_error: 1}"
    policy = (
        f"{FAST}in_distribution: {off}\nshifted: {off}\nmax_regression: 0.2\n"
        "subgroups: {min_auc: 0.5, max_regression: 0.1}\n"
    )
    equal = predictions.assign(baseline_score=predictions["score"])
    status, verdict, _ = run(equal, policy=policy)
    assert (status, verdict["reasons"]) == (0, [])
    assert sum(rule["name"] == "subgroup non-inferiority" for rule in verdict["rules"]) == 8

    women = {
        ("subgroup non-inferiority", "in_distribution, subgroup/sex=F"),
        ("subgroup non-inferiority", "shifted, subgroup/sex=F"),
    }

    def with_noise(share: float) -> pd.DataFrame:
        noise = share * np.random.default_rng(4).normal(size=len(equal))
        worse = equal["score"].where(equal["sex"] == "M", (equal["score"] + noise).clip(0, 1))
        return equal.assign(score=worse)

    status, verdict, _ = run(with_noise(1.5), policy=policy)
    assert status == 4
    assert failed(verdict) == women

    # A little worse: neither shown nor excluded. A warning, unless women are named.
    status, verdict, lines = run(with_noise(0.33), policy=policy)
    unclear = {
        (rule["name"], rule["slice"]) for rule in verdict["rules"] if rule["effect"] == "warn"
    }
    assert (status, verdict["outcome"], verdict["reasons"]) == (0, "blessed", [])
    assert unclear == women
    assert "warning: in_distribution, subgroup/sex=F AUC minus that of model" in lines
    named = policy.replace("subgroups: {", "subgroups: {required_groups: [sex], ")
    status, verdict, lines = run(with_noise(0.33), policy=named)
    assert (status, verdict["outcome"], len(verdict["reasons"])) == (5, "inconclusive", 2)
    assert lines.endswith("NOT blessed: inconclusive, there are too few data to decide\n")


@pytest.mark.parametrize(
    "kept", [lambda t: t["domain"] == "shifted", lambda t: (t["domain"] == "shifted") | t["label"]]
)
def test_domain_without_data_or_with_one_class_is_not_blessed(run, predictions, kept):
    table = predictions[kept(predictions).astype(bool)].drop(columns="split")
    status, verdict, _ = run(table)
    assert status == 4
    lacking = [rule for rule in verdict["rules"] if rule["status"] == "not_enough_data"]
    assert "in_distribution" in {rule["slice"] for rule in lacking}


def test_policy_that_asks_for_what_is_not_there_blesses_nothing(run, predictions):
    status, verdict, _ = run(predictions, policy=FAST + "require_serving: true\n")
    assert status == 4
    assert verdict["reasons"] == ["the exported model was not called"]


GOOD = "patient_id,domain,label,score\na,in_distribution,0,0.1\nb,shifted,1,0.9\n"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "are empty"),
        ("patient_id,domain,label,score\n", "hold no rows"),
        (GOOD.replace("score", "scores"), "'score' is missing among 4 columns; nearest name in"),
        (
            GOOD.partition("\n")[2].replace("a,", "SECRET_patient_id,"),
            "column 'patient_id' is missing among 4 columns (is there a header?)",
        ),
        (GOOD.replace(",", ";"), "separated by semicolons, commas are accepted"),
        (GOOD.replace(",", "\t"), "separated by tabs"),
        (GOOD.replace("score", "label"), "columns [4] have the name of an earlier one"),
        (GOOD.encode("utf-16"), "not UTF-8 text: byte 0xff at 0"),
        (GOOD.replace("a,", "\xe9,").encode("latin-1"), "not UTF-8 text: byte 0xe9"),
        (GOOD.replace("a,", "a" * 2000 + ","), "line 2: a cell holds more than 1000 characters"),
        (GOOD.replace("a,", '"' + "a" * 200_000 + '",'), "field larger than field limit"),
        (GOOD.replace("a,", '"a,'), "not CSV: unexpected end of data"),
        (GOOD.replace("0.1", "0.1,7"), "line 2: 5 cells, the header has 4"),
        (GOOD.replace(",0.9", ""), "line 3: 3 cells, the header has 4"),
        (GOOD.replace("a,in", ",in"), "row 2 (1 such rows): column 'patient_id' is empty"),
        (GOOD.replace("shifted", "extern"), "received 'extern'; accepted: in_distribution, shif"),
        (GOOD.replace("shifted", "b"), "column 'domain' received a patient's id"),
        (GOOD.replace("1,0.9", "2,0.9"), "row 3 (1 such rows): column 'label' received '2'"),
        (GOOD.replace("0,0.1", "1,0.1"), "needs examples of both classes, it has only 1"),
        (GOOD.replace("0.9", "1.5"), "received '1.5'; a probability from 0 to 1 is accepted (no"),
        (GOOD.replace("0.9", "-inf"), "received '-inf'"),
        (GOOD.replace("0.9", "0x1"), "received '0x1'; a probability from 0 to 1"),
        (GOOD.replace("0.9", "high" * 50), "received 'highhighhighhighhighhighhighhi'"),
        (b"PAR1 is how Parquet begins", "not readable Parquet"),
    ],
)
def test_bad_table_is_refused_with_what_is_accepted(run, content, expected):
    status, verdict, lines = run(content if isinstance(content, bytes) else content.encode())
    assert (status, verdict) == (2, None)
    assert lines.startswith("error: predictions")
    assert expected in lines


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"split": "train"}, "column 'split' received 'train'; accepted: validation, test, shif"),
        ({"split": "validation"}, "none is left to judge"),
        ({"patient_id": "SECRET"}, "1 patients have rows in 'validation'"),
    ],
)
def test_bad_split_is_refused(run, predictions, change, expected):
    status, _, lines = run(predictions.assign(**change))
    assert status == 2
    assert expected in lines


def test_missing_files(run, tmp_path, capsys):
    assert main(["--predictions", str(tmp_path / "none.csv")]) == 2
    assert "can't be read: No such file" in capsys.readouterr().err
    status, _, lines = run(GOOD.encode(), "--policy", str(tmp_path / "none.yaml"))
    assert status == 2
    assert "policy" in lines


def test_groups_of_few_patients_are_not_named(run, predictions):
    few = predictions["patient_id"].isin(predictions["patient_id"].unique()[-3:])
    table = predictions.assign(
        ward=predictions["patient_id"].where(few, "common"), film=predictions["patient_id"]
    )
    status, _, lines = run(table)
    assert status == 2
    assert "column 'film' has 400 values, none of 20 patients or more" in lines
    assert "--exclude film" in lines
    status, verdict, lines = run(table, "--exclude", "film")
    assert status == 0
    assert verdict["judged"]["ignored_columns"] == ["film"]
    assert "note: not judged by 'film'" in lines
    # Three patients, pooled, would be as few: the ward says nothing where they are.
    wards = [(one["domain"], one["value"]) for one in verdict["subgroups"] if "ward" in str(one)]
    assert wards == [("in_distribution", "common")]


def test_parquet_and_csv_get_one_verdict(run, predictions, tmp_path, capsys):
    path = tmp_path / "predictions.parquet"
    predictions.assign(label=predictions["label"].astype(bool)).to_parquet(path)
    policy = tmp_path / "policy.yaml"
    expected = run(predictions)[1]
    written = tmp_path / "folder" / "verdict.json"
    arguments = ["--predictions", str(path), "--policy", str(policy), "--output", str(written)]
    assert main(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == json.loads(written.read_text())
    for verdict in (found, expected):
        del verdict["provenance"]["judged_at"]
    assert found == expected


def test_threshold_is_that_given_or_one_half(run, predictions):
    table = predictions[predictions["split"] == "test"].drop(columns="split")
    default = run(table)[1]["judged"]
    assert (default["threshold"], default["threshold_chosen"]) == (0.5, "default")
    low = run(table, "--threshold", "0.01")[1]
    assert low["judged"]["threshold"] == 0.01
    expected = (table["score"] >= 0.01)[(table["label"] == 1) & (table["domain"] == "shifted")]
    assert low["metrics"]["shifted"]["sensitivity"]["value"] == pytest.approx(expected.mean())


def test_decisions_of_the_table_count_unless_a_threshold_is_given(run, predictions):
    table = predictions[predictions["split"] == "test"].drop(columns="split")
    decided = table.assign(decision=(table["score"] >= 0.2).astype(int), image="i.png", left_out="")
    verdict = run(decided)[1]
    judged = verdict["judged"]
    assert (judged["threshold"], judged["threshold_chosen"]) == (None, "decisions of the table")
    assert not {"decision", "image", "left_out"} & {
        *judged["subgroups"],
        *judged["ignored_columns"],
    }
    positives = decided[(decided["label"] == 1) & (decided["domain"] == "shifted")]
    sensitivity = verdict["metrics"]["shifted"]["sensitivity"]["value"]
    assert sensitivity == pytest.approx(positives["decision"].mean())
    assert run(decided, "--threshold", "0.5")[1]["judged"]["threshold"] == 0.5
    status, *_ = run(decided.assign(decision=0.3))
    assert status == 2


def test_rows_that_were_left_out_are_told_and_not_judged(run, predictions):
    table = predictions[predictions["split"] == "test"].drop(columns="split").astype(object)
    table["left_out"] = ""
    lost = table.index[:7]
    table.loc[lost, "left_out"] = "unreadable: header is damaged"
    table.loc[lost, "score"] = ""
    verdict = run(table)[1]
    assert verdict["judged"]["rows"] == len(table) - 7
    assert any("7 of" in warning and "left_out" in warning for warning in verdict["warnings"])
    assert run(table.assign(left_out="missing"))[0] == 2


def test_named_subgroups_only(run, predictions):
    verdict = run(predictions, "--subgroup", "sex")[1]
    assert verdict["judged"]["subgroups"] == ["sex"]
    status, _, lines = run(predictions, "--subgroup", "sexx")
    assert status == 2
    assert "'sexx' is missing among 7 columns; nearest name in the file: 'sex'" in lines


@pytest.mark.slow
def test_process_refuses_with_status_4_without_loading_tensorflow(tmp_path, predictions):
    path = tmp_path / "predictions.csv"
    shuffled(predictions).to_csv(path, index=False)
    code = (
        "import sys; from components.model_gate.__main__ import main;"
        f"status = main(['--predictions', {str(path)!r}]);"
        f"print(sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr); sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 4, done.stderr
    assert done.stderr.splitlines()[-1] == "[]"
    assert not json.loads(done.stdout)["blessed"]


def test_help_loads_nothing_but_the_arguments():
    command = [sys.executable, "-X", "importtime", "-m", "components.model_gate", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0
    assert "usage: python -m components.model_gate" in done.stdout
    assert not {"numpy", "pandas", "pydantic", *HEAVY} & set(done.stderr.replace("|", " ").split())


def test_the_page_tells_the_default_policy_and_its_example_loads(tmp_path):
    page = (ROOT / "docs" / "model_gate.md").read_text()
    example = tmp_path / "policy.yaml"
    example.write_text(page.partition("```yaml\n")[2].partition("```")[0])
    assert load_policy(str(example), serves=False).in_distribution.min_sensitivity == 0.85
    default = load_policy("", serves=False)
    cells = {
        line.split("|")[1].strip(): line.split("|")[3].strip()
        for line in page.splitlines()
        if line.startswith("| `") and line.count("|") == 4
    }
    told = (default.in_distribution, default.shifted)
    assert cells["`in_distribution.min_auc`, `shifted.min_auc`"] == ", ".join(
        f"{rules.min_auc:g}" for rules in told
    )
    assert cells["`*.max_calibration_error`"] == ", ".join(
        f"{rules.max_calibration_error:g}" for rules in told
    )
    for name in ("calibration_slope", "calibration_intercept"):
        ranges = [getattr(rules, name) for rules in told]
        assert cells[f"`*.{name}`"] == ", ".join(f"{low:g} to {high:g}" for low, high in ranges)
    assert cells["`min_patients_per_class`"] == f"{default.min_patients_per_class}"
    assert {f"{rules.min_patients}" for rules in told} == {cells["`*.min_patients`"]}
    assert cells["`max_gap`"] == f"{default.max_gap:g}"
    assert cells["`max_regression`"] == f"{default.max_regression:g}"
    groups = default.subgroups
    assert cells["`subgroups.max_regression`"] == f"{groups.max_regression:g}"
    assert cells["`subgroups.min_auc`"] == f"{groups.min_auc:g}, {groups.min_patients}"
