"""The command: what it finds, its exit statuses, and what it refuses."""

import gzip
import io
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from tests.components.model_gate.monitoring.made_tables import predictions


def by_name(report: dict, part: str, key: str) -> dict:
    return {one[key]: one for one in report[part]}


def no_look(folder) -> bool:
    history = folder / "history.jsonl"
    return not history.exists() or not history.read_bytes()


def test_new_patients_of_the_same_kind_raise_no_alarm(monitor):
    status, report, said = monitor(predictions(120, 1))
    assert (status, report["status"], report["alarms"]) == (0, "no_alarm", [])
    assert (report["rows"], report["patients"], report["labelled"]) == (240, 120, 240)
    # Two columns; AUC and sensitivity, by image and by patient; two ends of two ranges.
    assert report["look"]["tests"] == 2 + 4 + 4
    assert report["look"]["spent"] == pytest.approx(0.05 / 2)
    drift = by_name(report, "drift", "column")
    assert set(drift) == {"score", "statistic/mean"}
    assert drift["score"]["alpha"] == pytest.approx(0.025 / 10)
    assert said.splitlines()[-1] == "no alarm"


def test_without_labels_drift_is_found_and_estimates_are_called_doubtful(monitor):
    table = predictions(120, 2, log_odds=-1.5, brighter=1.0).drop(columns=["label", "domain"])
    status, report, said = monitor(table)
    assert (status, report["status"], report["measured"]) == (4, "alarm", [])
    assert {one["status"] for one in report["drift"]} == {"drift"}
    drift = by_name(report, "drift", "column")
    assert drift["score"]["higher"] < 0.4 < 0.6 < drift["statistic/mean"]["higher"]
    assert all(one["doubtful"] for one in report["estimated"])
    assert all("doubtful" in one["assumes"] for one in report["estimated"])
    assert said.splitlines()[-1] == "ALARM"


def test_concept_drift_is_seen_by_labels_alone(monitor):
    """Most labels no longer belong to the scores, whose distribution is the same."""
    table = predictions(200, 3, flipped=0.9)
    status, report, _ = monitor(table.drop(columns="label"))
    assert (status, report["alarms"]) == (0, [])
    estimated = by_name(report, "estimated", "metric")
    assert estimated["auc"]["value"] > 0.85
    status, report, _ = monitor(table)
    assert status == 4
    failed = {one["metric"] for one in report["measured"] if one["status"] == "alarm"}
    assert {"auc", "auc_by_patient"} <= failed
    assert {one["status"] for one in report["drift"]} == {"no_drift"}


def test_the_same_data_are_the_same_look(monitor, tmp_path):
    table = predictions(60, 4)
    first = monitor(table)[1]
    # Another order, another format, another name: the same content.
    shuffled = table.sample(frac=1, random_state=0).reset_index(drop=True)
    path = tmp_path / "again.csv.gz"
    path.write_bytes(gzip.compress(shuffled.to_csv(index=False).encode()))
    again = monitor(str(path))[1]
    assert (first["repeated"], again["repeated"]) == (False, True)
    assert again["look"] == first["look"]
    assert again["drift"] == first["drift"]
    other = monitor(predictions(60, 5))[1]
    assert other["look"]["look"] == 2
    assert [one["look"] for one in other["earlier"]] == [1]
    assert other["look"]["spent"] == pytest.approx(0.05 / 6)
    assert len((tmp_path / "history.jsonl").read_text().splitlines()) == 2


def test_another_threshold_is_another_look(monitor):
    table = predictions(60, 4)
    assert monitor(table)[1]["look"]["look"] == 1
    assert monitor(table, "--threshold", "0.2")[1]["look"]["look"] == 2


def test_too_few_patients_are_status_5_and_no_look(monitor, tmp_path):
    status, report, said = monitor(predictions(29, 6))
    assert (status, report["status"], report["look"]) == (5, "too_few_data", None)
    assert no_look(tmp_path)
    assert "fewer patients than the required 30" in said


def test_images_without_a_score_raise_an_alarm(monitor):
    table = predictions(60, 7)
    table["score"] = table["score"].astype(object)
    table.loc[3, "score"] = ""
    status, report, _ = monitor(table)
    assert status == 4
    assert report["alarms"][0].startswith("1 images have no score")
    # Those that the model was not given are another matter.
    table["left_out"] = ""
    table.loc[3, "left_out"] = "damaged"
    assert monitor(table)[0] == 0


def test_pipes_and_parquet(monitor, monkeypatch, tmp_path):
    table = predictions(60, 8)
    table.to_parquet(tmp_path / "new.parquet")
    first = monitor(str(tmp_path / "new.parquet"))[1]
    given = io.TextIOWrapper(io.BytesIO(table.to_csv(index=False).encode()))
    monkeypatch.setattr(sys, "stdin", given)
    assert monitor("-")[1]["drift"] == first["drift"]


def test_nothing_heavy_is_loaded(blessed, tmp_path):
    """The small environment of `make gate` has none of these."""
    predictions(60, 17).to_csv(tmp_path / "new.csv", index=False)
    heavy = ["tensorflow", "tfx", "keras", "sklearn", "matplotlib"]
    words = ["monitor", "--blessed", str(blessed), "--predictions", str(tmp_path / "new.csv")]
    words += ["--history", str(tmp_path / "h.jsonl"), "--page", str(tmp_path / "page.html")]
    code = (
        "import sys; from components.model_gate.__main__ import main;"
        f"print(main({words})); print(sorted(set({heavy}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("0\n[]\n")


def test_domains(monitor):
    both = predictions(60, 9, domains=("in_distribution", "shifted"))
    status, _, said = monitor(both)
    assert (status, "give --domain" in said) == (2, True)
    status, report, _ = monitor(both, "--domain", "shifted")
    assert (report["domain"], report["patients"]) == ("shifted", 60)
    # predict calls every image of a folder in-distribution: what is asked for counts.
    one = both[both["domain"] == "in_distribution"]
    report = monitor(one, "--domain", "shifted")[1]
    assert report["domain"] == "shifted"
    assert any("compared with shifted, as asked" in one for one in report["warnings"])
    assert monitor(one.assign(domain="elsewhere"))[0] == 2


def test_no_id_and_no_small_group_is_named(monitor):
    table = predictions(60, 10)
    names = np.where(table["patient_id"] == table["patient_id"][0], "tiny\x1b[31m", table["site"])
    names = np.where(names == "north", "north\nALARM", names)
    status, report, said = monitor(table.assign(site=names))
    text = json.dumps(report) + said
    assert status == 0
    assert "secret" not in text
    assert "tiny" not in text
    assert "\x1b" not in text
    assert "\nALARM" not in said
    # The one patient joins the smaller of the two sites, whose name goes with it.
    assert [one["site"] for one in report["sites"]] == ["(small groups)", "south"]
    assert all(one["patients"] >= 5 for one in report["sites"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda one: one.drop(columns="score"), "'score' is missing"),
        (lambda one: one.drop(columns="patient_id"), "'patient_id' is missing"),
        (lambda one: one.assign(score=7), "probability from 0 to 1"),
        (lambda one: one.assign(label=2), "accepted: 0, 1, or empty"),
        (lambda one: one.assign(patient_id=""), "the patient of each row"),
        (lambda one: one.assign(**{"statistic/mean": "dark"}), "finite number"),
    ],
)
def test_bad_tables_are_status_2(monitor, tmp_path, change, said):
    status, report, lines = monitor(change(predictions(40, 11)))
    assert (status, report) == (2, None)
    assert said in lines
    assert no_look(tmp_path)


def test_a_verdict_without_reference_says_what_to_do(monitor, blessed, tmp_path):
    old = json.loads(blessed.read_text())
    del old["reference"]
    path = tmp_path / "old.json"
    path.write_text(json.dumps(old))
    status, report, said = monitor(predictions(40, 12), verdict=path)
    assert (status, report) == (2, None)
    assert "Judge the blessed table again" in said


@pytest.mark.parametrize(
    "content", ["", "[]", "[" * 100_000, "{", '{"version": 1}', '{"version": 2, "judged": 3}']
)
def test_what_is_no_verdict_is_status_2(monitor, tmp_path, content):
    path = tmp_path / "broken.json"
    path.write_text(content)
    status, report, said = monitor(predictions(40, 12), verdict=path)
    assert (status, report) == (2, None)
    assert said.startswith("error: ")
    assert len(said.splitlines()) == 1


def test_a_refused_model_can_be_monitored_but_it_is_said(monitor, blessed, tmp_path):
    other = json.loads(blessed.read_text())
    other |= {"blessed": False, "outcome": "refused"}
    path = tmp_path / "refused.json"
    path.write_text(json.dumps(other))
    report = monitor(predictions(40, 13), verdict=path)[1]
    assert "the verdict did not bless the model: it was refused" in report["warnings"]


def test_outputs_that_cannot_be_written_spend_no_look(monitor, tmp_path):
    status, report, _ = monitor(predictions(40, 14), "--output", str(tmp_path / "no" / "x.json"))
    assert (status, report) == (2, None)
    assert no_look(tmp_path)


def test_drift_within_the_tolerance_is_said_and_raises_no_alarm(monitor):
    """A shift of one standard deviation moves at most 38 % of the patients over any value."""
    table = predictions(200, 15, brighter=1.0).drop(columns="label")
    status, report, _ = monitor(table, "--tolerance", "0.5")
    drift = by_name(report, "drift", "column")["statistic/mean"]
    assert (status, drift["status"]) == (0, "small")
    assert any("not beyond the tolerated distance of 0.5" in one for one in report["warnings"])
    assert 0.25 < drift["distance"] < 0.5
    assert monitor(table, "--tolerance", "0.25")[0] == 4


def test_decisions_follow_the_verdict_unless_a_threshold_is_given(monitor):
    table = predictions(150, 16)
    measured = by_name(monitor(table)[1], "measured", "metric")
    positive = table[table["label"] == 1]
    assert measured["sensitivity"]["value"] == pytest.approx((positive["score"] >= 0.5).mean())
    measured = by_name(monitor(table, "--threshold", "0.2")[1], "measured", "metric")
    assert measured["sensitivity"]["value"] == pytest.approx((positive["score"] >= 0.2).mean())


def test_several_findings(monitor, tmp_path, capsys):
    from components.model_gate.__main__ import main

    def two(patients: int, seed: int, **more) -> pd.DataFrame:
        first = predictions(patients, seed, **more).drop(columns="site")
        second = predictions(patients, seed + 1000, **more)
        named = first.rename(columns={"label": "label/edema", "score": "score/edema"})
        return named.assign(**{"label/mass": second["label"], "score/mass": second["score"]})

    two(150, 20, domains=("in_distribution", "shifted")).to_csv(tmp_path / "t.csv", index=False)
    (tmp_path / "p.yaml").write_text("resamples: 200\n")
    inputs = ["--predictions", str(tmp_path / "t.csv"), "--policy", str(tmp_path / "p.yaml")]
    assert main([*inputs, "--output", str(tmp_path / "verdict.json")]) == 0
    capsys.readouterr()
    status, report, _ = monitor(two(60, 21), verdict=tmp_path / "verdict.json")
    assert status == 0
    assert {one["column"] for one in report["drift"]} == {
        "score/edema",
        "score/mass",
        "statistic/mean",
    }
    assert {one["target"] for one in report["estimated"]} == {"edema", "mass"}
    assert {"auc", "auc/edema", "auc/mass"} <= {one["metric"] for one in report["measured"]}
    status, _, said = monitor(
        two(60, 22).drop(columns="score/mass"), verdict=tmp_path / "verdict.json"
    )
    assert (status, "'score/mass' is missing" in said) == (2, True)


def test_classes(monitor, tmp_path, capsys):
    from components.model_gate.__main__ import main

    def three(patients: int, seed: int, domains=("in_distribution",), worse=0.0) -> pd.DataFrame:
        random = np.random.default_rng(seed)
        place = random.integers(0, 3, patients * len(domains))
        # Calibrated, but for what is worse: normal scores, one of which is higher by 2.
        odds = np.exp(2 * (random.normal(size=(len(place), 3)) + (2 - worse) * np.eye(3)[place]))
        scores = odds / odds.sum(axis=1, keepdims=True)
        names = np.array(["fat", "stroma", "tumor"])
        return pd.DataFrame(
            {
                "patient_id": [f"s{seed}-{one}" for one in range(len(place))],
                "domain": np.repeat(domains, patients),
                "label": names[place],
                **{f"score/{name}": scores[:, one] for one, name in enumerate(names)},
            }
        )

    three(150, 30, ("in_distribution", "shifted")).to_csv(tmp_path / "t.csv", index=False)
    (tmp_path / "p.yaml").write_text("resamples: 200\n")
    inputs = ["--predictions", str(tmp_path / "t.csv"), "--policy", str(tmp_path / "p.yaml")]
    assert main([*inputs, "--output", str(tmp_path / "verdict.json")]) == 0
    capsys.readouterr()
    status, report, said = monitor(three(80, 31), verdict=tmp_path / "verdict.json")
    assert status == 0, said
    assert {one["target"] for one in report["estimated"]} == {"fat", "stroma", "tumor"}
    assert report["labelled"] == 80
    status, report, _ = monitor(three(300, 32, worse=1.9), verdict=tmp_path / "verdict.json")
    assert status == 4
    assert "auc" in {one["metric"] for one in report["measured"] if one["status"] == "alarm"}
    unlabelled = three(80, 33).drop(columns="label")
    status, report, _ = monitor(unlabelled, verdict=tmp_path / "verdict.json")
    assert (status, report["labelled"], report["measured"]) == (0, 0, [])
    assert monitor(unlabelled, "--threshold", "0.5", verdict=tmp_path / "verdict.json")[0] == 2
