"""Tables of a multiclass model: good, damaged and hostile ones, against scikit-learn."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import special
from sklearn import metrics as sk
from sklearn.linear_model import LogisticRegression

from components.model_gate.__main__ import main
from components.model_gate.standalone.finding_columns import targets_of
from schemas.errors import InputError

NAMES = ("cat", "dog", "ship")
POLICY = "resamples: 200\nmax_gap: 0.9\n"
FLOOR = (
    "resamples: 200\nin_distribution: {min_balanced_accuracy: 0.75}\n"
    "shifted: {min_balanced_accuracy: 0.75}\n"
)


def classes(number=240, names=NAMES, seed=0, never=None) -> pd.DataFrame:
    """Two images a patient, half of them shifted; scores are calibrated."""
    random = np.random.default_rng(seed)
    truth = random.integers(len(names), size=2 * number)
    evidence = 2.5 * np.eye(len(names))[truth] + random.normal(size=(2 * number, len(names)))
    score = special.softmax(2.5 * evidence, axis=1)
    if never is not None:
        score[:, names.index(never)] *= 1e-9
        score /= score.sum(axis=1, keepdims=True)
    return pd.DataFrame(
        {
            "patient_id": [f"p{one // 2:04d}" for one in range(2 * number)],
            "domain": np.repeat(["in_distribution", "shifted"], number),
            "label": [names[one] for one in truth],
            **{f"score/{name}": score[:, place] for place, name in enumerate(names)},
        }
    )


@pytest.fixture
def run(tmp_path, capsys):
    """Status, verdict and lines for people."""

    def judge(table: pd.DataFrame | str, *arguments: str, policy: str = POLICY):
        path, rules = tmp_path / "table.csv", tmp_path / "policy.yaml"
        if isinstance(table, str):
            path.write_text(table)
        else:
            table.to_csv(path, index=False)
        rules.write_text(policy)
        # Each table is the first that is judged; ledgers have tests of their own.
        (tmp_path / "gate_ledger.jsonl").unlink(missing_ok=True)
        status = main(["--predictions", str(path), "--policy", str(rules), *arguments])
        shown = capsys.readouterr()
        return status, json.loads(shown.out) if shown.out else None, shown.err

    return judge


def refused(run, table, *arguments) -> str:
    status, verdict, said = run(table, *arguments)
    assert (status, verdict) == (2, None)
    assert len(said.splitlines()) == 1
    return said


def called(table: pd.DataFrame, names=NAMES) -> np.ndarray:
    return table[[f"score/{name}" for name in names]].to_numpy().argmax(axis=1)


def test_a_good_model_is_blessed_on_the_figures_of_scikit_learn(run):
    table = classes()
    status, verdict, _ = run(table, policy=FLOOR)
    assert (status, verdict["outcome"]) == (0, "blessed")
    assert verdict["judged"]["classes"] == list(NAMES)
    assert verdict["judged"]["threshold_chosen"] == "the class of the highest score"
    assert (verdict["judged"]["threshold"], verdict["judged"]["thresholds"]) == (None, {})
    for domain in ("in_distribution", "shifted"):
        part = table[table["domain"] == domain]
        truth = part["label"].map(NAMES.index).to_numpy()
        decided = called(part)
        found = verdict["confusion"][domain]
        assert found["counts"] == sk.confusion_matrix(truth, decided).tolist()
        metrics = verdict["metrics"][domain]
        expected = {
            "balanced_accuracy": sk.balanced_accuracy_score(truth, decided),
            "accuracy": sk.accuracy_score(truth, decided),
            "auc": sk.roc_auc_score(
                truth, part[[f"score/{name}" for name in NAMES]], multi_class="ovr"
            ),
        }
        recall = sk.recall_score(truth, decided, average=None)
        precision = sk.precision_score(truth, decided, average=None)
        for place, name in enumerate(NAMES):
            expected |= {f"sensitivity/{name}": recall[place], f"ppv/{name}": precision[place]}
        for name, value in expected.items():
            assert metrics[name]["value"] == pytest.approx(value), name
            assert metrics[name]["lower"] < value < metrics[name]["upper"], name


@pytest.mark.parametrize("never", NAMES)
def test_a_class_that_is_never_called_fails_the_floor_and_its_own_slice(run, never):
    table = classes(never=never)
    status, verdict, _ = run(table, policy=FLOOR)
    assert status == 4
    assert any("balanced_accuracy: upper bound" in one for one in verdict["reasons"])
    slices = (
        f"slices: [{{domain: shifted, metric: sensitivity/{never}, at_least: 0.3}}]\n"
        "in_distribution: {calibration_slope: null, calibration_intercept: null}\n"
        "shifted: {calibration_slope: null, calibration_intercept: null}\n"
    )
    status, verdict, said = run(table, policy=POLICY + slices)
    assert status == 4
    assert f"shifted sensitivity/{never}: upper bound" in said
    place = NAMES.index(never)
    assert all(row[place] == 0 for row in verdict["confusion"]["shifted"]["counts"])
    assert verdict["metrics"]["shifted"][f"sensitivity/{never}"]["value"] == 0
    assert verdict["metrics"]["shifted"][f"ppv/{never}"]["value"] is None


def test_equal_scores_are_the_first_column_s(run):
    table = classes()
    even = table["label"] == "ship"
    table.loc[even, ["score/cat", "score/dog", "score/ship"]] = [0.2, 0.4, 0.4]
    counts = run(table)[1]["confusion"]["shifted"]["counts"]
    assert counts[2] == [0, int((even & (table["domain"] == "shifted")).sum()), 0]
    turned = table[["patient_id", "domain", "label", "score/ship", "score/dog", "score/cat"]]
    found = run(turned)[1]["confusion"]["shifted"]
    assert found["classes"] == ["ship", "dog", "cat"]
    assert found["counts"][0] == [counts[2][1], 0, 0]


def test_decisions_of_the_table_are_judged_and_told_where_scores_say_another(run):
    table = classes()
    table["decision"] = np.array(NAMES)[called(table)]
    status, verdict, said = run(table)
    assert status == 0
    assert verdict["judged"]["threshold_chosen"] == "decisions of the table"
    assert "is not the class of the highest score" not in said
    table.loc[:9, "decision"] = np.array(NAMES)[(called(table)[:10] + 1) % 3]
    _, verdict, said = run(table)
    assert "column 'decision' of 10 of 480 rows is not the class of the highest score" in said
    part = table[table["domain"] == "in_distribution"]
    expected = sk.confusion_matrix(part["label"], part["decision"], labels=NAMES)
    assert verdict["confusion"]["in_distribution"]["counts"] == expected.tolist()
    table.loc[3, "decision"] = "bird"
    assert "row 5 (1 such rows): column 'decision' received 'bird'" in refused(run, table)
    table.loc[3, "decision"] = ""
    assert "column 'decision' received ''; the class of each image" in refused(run, table)


def test_missing_labels_are_counted_by_what_is_called(run):
    table = classes()
    table.loc[table["domain"] == "shifted", "label"] = table["label"].where(table.index % 4 > 0)
    status, verdict, said = run(table)
    assert status == 4
    found = verdict["unlabelled"]["shifted"]["label"]
    assert (found["images"], found["unlabelled"]) == (240, 60)
    nothing = table[(table["domain"] == "shifted") & table["label"].isna()]
    assert found["called"] == {
        name: int((called(nothing) == place).sum()) for place, name in enumerate(NAMES)
    }
    assert "shifted: 60 of 240 images have no label (the model calls" in said


def test_a_domain_without_one_class_is_refused_by_name(run):
    table = classes()
    table = table[(table["domain"] == "in_distribution") | (table["label"] != "ship")]
    status, verdict, said = run(table)
    assert status == 4
    assert "shifted auc: undefined (targets ship): no positive images" in said
    assert verdict["confusion"]["shifted"]["rates"][2] == [None, None, None]


def test_a_baseline_of_the_same_classes_is_compared(run):
    table = classes()
    for name in NAMES:
        table[f"baseline_score/{name}"] = table[f"score/{name}"]
    status, verdict, _ = run(table)
    assert status == 0
    assert verdict["baseline"]["difference"]["shifted"]["value"] == 0
    for seed, name in enumerate(NAMES):
        worse = np.random.default_rng(seed).permutation(table[f"baseline_score/{name}"])
        table[f"baseline_score/{name}"] = worse
    assert "the columns 'baseline_score/NAME' add up to" in refused(run, table)
    del table["baseline_score/dog"]
    assert "give 'baseline_score/...' of every class or of none" in refused(run, table)


def test_validation_rows_choose_nothing_and_are_not_judged(run):
    table = classes()
    table["split"] = "test"
    first = table["patient_id"] < "p0030"
    table.loc[first, "split"] = "validation"
    status, verdict, _ = run(table)
    assert status == 0
    assert verdict["judged"]["rows"] == 480 - 60
    assert verdict["judged"]["threshold_chosen"] == "the class of the highest score"
    assert "--threshold 0.4 applies to findings" in refused(run, table, "--threshold", "0.4")


def test_a_table_of_one_hot_findings_is_still_one_of_findings(run):
    table = classes()
    for name in NAMES:
        table[f"label/{name}"] = table["label"] == name
    _, verdict, said = run(table.drop(columns="label"))
    assert "if they are classes, give one column 'label'" in said
    assert verdict["judged"]["classes"] == []
    assert verdict["confusion"] == {}
    assert set(verdict["judged"]["thresholds"]) == set(NAMES)


class TestLabels:
    @pytest.mark.parametrize(
        ("cell", "received"),
        [
            ("bird", "'bird'"),
            ("Cat", "'Cat'"),
            ("1", "'1'"),
            ("1.0", "'1.0'"),
            ("b'cat'", "\"b'cat'\""),
            ("cat,dog", "'cat,dog'"),
            ("none", "'none'"),
            ("score/cat", "'score/cat'"),
            ("cat\x1b[2K", r"'cat\x1b[2K'"),
        ],
    )
    def test_of_no_class_are_refused(self, run, cell, received):
        table = classes()
        table.loc[7, "label"] = cell
        said = refused(run, table)
        assert "predictions, row 9 (1 such rows): column 'label' received" in said
        assert received.strip("\"'") in said
        assert "accepted: cat, dog, ship (each has a column 'score/NAME')" in said

    @pytest.mark.parametrize("cell", [" cat ", "cat"])
    def test_blanks_around_names_do_not_matter(self, run, cell):
        table = classes()
        table["label"] = table["label"].replace("cat", cell)
        table = table.rename(columns={"score/cat": f" score/cat{cell[-1:].replace('t', '')}"})
        assert run(table)[0] == 0

    def test_whole_numbers_are_those_of_a_column_with_gaps(self, run):
        table = classes(names=("0", "1", "10"))
        table["label"] = table["label"].astype(float)
        table.loc[[2, 300], "label"] = np.nan
        assert "1.0" in table.to_csv()
        status, verdict, _ = run(table)
        assert status == 0
        assert verdict["unlabelled"]["shifted"]["label"]["unlabelled"] == 1
        table.loc[4, "label"] = 1.5
        assert "received '1.5'; accepted: 0, 1, 10" in refused(run, table)
        table.loc[4, "label"] = 2.0
        assert "received '2.0'; accepted: 0, 1, 10" in refused(run, table)

    def test_a_patient_s_id_is_not_shown(self, run):
        table = classes()
        table.loc[7, "label"] = "p0001"
        said = refused(run, table)
        assert "p0001" not in said
        assert "received a patient's id" in said

    def test_a_class_without_any_image_is_named(self, run):
        table = classes()
        table["score/bird"] = 0.0
        assert "no row has the label 'bird'" in refused(run, table)

    def test_a_score_column_that_is_missing_is_told_by_its_labels(self, run):
        table = classes().drop(columns="score/ship")
        said = refused(run, table)
        assert "received 'ship'; accepted: cat, dog (each has a column 'score/NAME')" in said

    def test_many_classes_are_not_all_listed(self, run):
        names = tuple(f"c{one:02d}" for one in range(30))
        table = classes(names=names)
        table.loc[7, "label"] = "bird"
        said = refused(run, table)
        assert "c11 and 18 more (each" in said
        assert "c12" not in said


class TestScores:
    def test_that_do_not_add_up_to_one_are_refused(self, run):
        table = classes()
        table.loc[4:5, ["score/cat", "score/dog", "score/ship"]] = [0.03, 0.5, 0.6]
        said = refused(run, table)
        assert "row 6 (2 such rows): the columns 'score/NAME' add up to 1.13" in said
        assert "1 within 0.02 is accepted" in said

    def test_rounded_to_two_decimals_are_accepted(self, run):
        table = classes()
        table[[f"score/{name}" for name in NAMES]] = table.filter(like="score/").round(2)
        assert run(table)[0] == 0

    @pytest.mark.parametrize(("value", "said"), [(-0.1, "'-0.1'"), (1.5, "'1.5'"), ("x", "'x'")])
    def test_that_are_no_probabilities_are_refused(self, run, value, said):
        table = classes().astype({"score/dog": object})
        table.loc[4, "score/dog"] = value
        assert f"row 6 (1 such rows): column 'score/dog' received {said}" in refused(run, table)

    @pytest.mark.parametrize("columns", [["score/dog"], [f"score/{name}" for name in NAMES]])
    def test_nan_is_the_model_s_fault_and_refuses_it(self, run, columns):
        table = classes()
        table.loc[4, columns] = np.nan
        status, verdict, said = run(table)
        assert status == 4
        assert "1 of 480 predictions are NaN" in said
        found = verdict["confusion"]["in_distribution"]
        assert sum(found["undecided"]) == 1
        assert sum(map(sum, found["counts"])) == 239


class TestNames:
    @pytest.mark.parametrize(
        "names",
        [
            ("label", "score", "decision"),
            ("a,b", 'c"d', "e f"),
            ("cat/dog", "auc/cat", "="),
            ("True", "False", "None"),
            ("é", "猫", "<b>"),
            ("weight", "a/weight", "b"),
        ],
    )
    def test_that_look_like_something_else_are_kept(self, run, names):
        status, verdict, _ = run(classes(names=names))
        assert status == 0
        assert verdict["judged"]["classes"] == list(names)
        assert verdict["confusion"]["shifted"]["classes"] == list(names)
        for name in names:
            assert f"sensitivity/{name}" in verdict["metrics"]["shifted"]

    def test_with_a_line_break_are_escaped_in_labels_as_in_the_header(self, run):
        _, verdict, _ = run(classes(names=("a\nb", "c", "d")))
        assert verdict["judged"]["classes"] == [r"a\nb", "c", "d"]

    @pytest.mark.parametrize(
        ("columns", "said"),
        [
            ({"score": 0.5}, "column 'score' beside 'score/cat' and 'label'"),
            ({"baseline_score": 0.5}, "column 'baseline_score' beside 'score/cat'"),
            ({"decision/cat": 1}, "column 'decision/cat' beside 'score/cat' and 'label'"),
            ({"label/cat": 1}, "columns 'label' or 'score' beside 'label/cat'"),
            ({"score/": 0.0}, "is called '', which stands for an unknown value"),
            ({"score/NaN": 0.0}, "is called 'NaN', which stands for an unknown value"),
            ({"score/cat/weight": 0.0}, "'cat/weight' beside 'cat'"),
        ],
    )
    def test_of_columns_that_do_not_fit_together_are_refused(self, run, columns, said):
        assert said in refused(run, classes().assign(**columns))

    def test_one_class_alone_is_refused(self):
        with pytest.raises(InputError, match="'score/cat' alone; accepted: label and score, or"):
            targets_of(["patient_id", "domain", "label", "score/cat"])

    def test_a_column_given_twice_is_refused(self, run):
        buffer = io.StringIO()
        classes().to_csv(buffer, index=False)
        header, _, rows = buffer.getvalue().partition("\n")
        header = header.replace("score/dog", "score/cat")
        assert "have the name of an earlier one" in refused(run, f"{header}\n{rows}")


def test_the_page_s_example_from_scikit_learn(run, tmp_path):
    page = Path(__file__).parents[4] / "docs" / "model_gate.md"
    section = page.read_text().partition("### Classes\n")[2]
    code = section.partition("```python\n")[2].partition("```")[0]
    test = classes(number=400).rename(columns={f"score/{one}": one for one in NAMES})
    test["site"] = "north"
    model = LogisticRegression().fit(test[list(NAMES)], test["label"])
    path = tmp_path / "classes.csv"
    code = code.replace('"classes.csv"', repr(str(path)))
    exec(code, {"pd": pd, "test": test, "model": model, "inputs": list(NAMES)})
    status, verdict, _ = run(path.read_text())
    assert status == 0
    assert verdict["judged"]["classes"] == list(NAMES)
    example = section.partition("```\n")[2].partition("```")[0]
    said = refused(run, example)  # too few rows to have each class
    assert "no row has the label 'in situ'" in said


@pytest.mark.parametrize("kind", [str, bytes, "category", "bool"])
def test_parquet_of_any_type_of_label(run, tmp_path, capsys, kind):
    names = ("False", "True") if kind == "bool" else NAMES
    table = classes(names=names)
    if kind is bytes:
        table["label"] = table["label"].str.encode("utf-8")
    elif kind == "category":
        table["label"] = table["label"].astype("category")
    elif kind == "bool":
        table["label"] = table["label"] == "True"
    path = tmp_path / "table.parquet"
    table.to_parquet(path)
    (tmp_path / "policy.yaml").write_text(POLICY)
    arguments = ["--predictions", str(path), "--policy", str(tmp_path / "policy.yaml")]
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["judged"]["classes"] == list(names)


def test_names_that_are_equal_once_they_are_escaped_are_refused(run):
    table = classes(names=("a\x01", r"a\x01", "b"))
    assert "have the name of an earlier one" in refused(run, table)
