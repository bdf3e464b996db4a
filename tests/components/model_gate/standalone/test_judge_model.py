"""The gate as a tool on exported models: the same verdict, JSON and exit status as on a table."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from components.model_gate.__main__ import main
from components.model_gate.serving import called_model
from components.model_gate.standalone import judge as standalone
from schemas.documents.gate import Serving
from schemas.errors import InputError
from tests.made_documents import classifier_card

pytestmark = pytest.mark.slow

# The made model tells the classes apart and is underconfident.
OFF = "{calibration_slope: null, calibration_intercept: null, max_calibration_error: 1}"
POLICY = f"resamples: 300\nin_distribution: {OFF}\nshifted: {OFF}\n"


@pytest.fixture(scope="module")
def examples(tmp_path_factory, write_records) -> str:
    """A pattern of the records of 40 patients in each domain, two images each."""
    folder = tmp_path_factory.mktemp("examples")
    for split, domain in (("test", "in_distribution"), ("shifted", "shifted")):
        random = np.random.default_rng(len(split))
        rows = [
            {
                "brightness": int(np.clip(90 + 75 * (n // 2 % 2) + 20 * random.normal(), 0, 255)),
                "image/id": f"{domain}{n}",
                "patient_id": f"SECRET-{domain}{n // 2}",
                "site": "ab"[n // 4 % 2],
                "domain": domain,
                "subgroup/sex": "FM"[n // 8 % 2],
                "label/edema": float(n // 2 % 2),
            }
            for n in range(80)
        ]
        write_records(folder / f"Split-{split}" / "data.gz", rows)
    return str(folder / "Split-*" / "*.gz")


@pytest.fixture(scope="module")
def validation(tmp_path_factory, write_records) -> str:
    """A pattern of the records of 40 other patients."""
    folder = tmp_path_factory.mktemp("validation") / "Split-validation"
    random = np.random.default_rng(3)
    rows = [
        {
            "brightness": int(np.clip(90 + 75 * (n // 2 % 2) + 20 * random.normal(), 0, 255)),
            "image/id": f"validation{n}",
            "patient_id": f"SECRET-validation{n // 2}",
            "domain": "in_distribution",
            "label/edema": float(n // 2 % 2),
        }
        for n in range(80)
    ]
    write_records(folder / "data.gz", rows)
    return str(folder / "*.gz")


@pytest.fixture
def judge(monkeypatch, tmp_path, capsys, examples):
    """Judges without the clean process, which tests of its own cover."""

    def answer(*arguments: str, more: str = ""):
        tried = Serving(ok=True, message="fine", latency_ms=1.0, size_bytes=1000)
        monkeypatch.setattr("components.model_gate.serving.inputs.serving", lambda *_: tried)
        policy = tmp_path / "policy.yaml"
        policy.write_text(POLICY + more)
        status = main([*arguments, "--examples", examples, "--policy", str(policy)])
        shown = capsys.readouterr()
        assert "SECRET" not in shown.out + shown.err
        return status, json.loads(shown.out) if shown.out else None, shown.err

    return answer


@pytest.fixture(scope="module")
def good(tmp_path_factory, export_classifier) -> str:
    return export_classifier(tmp_path_factory.mktemp("good"), {"edema": 6.0})


def test_good_model_is_blessed_and_a_reversed_one_refused(judge, good, tmp_path, export_classifier):
    status, verdict, lines = judge("--model", good)
    assert (status, verdict["reasons"]) == (0, []), lines
    assert verdict["judged"]["targets"] == ["edema"]
    assert verdict["metrics"]["shifted"]["auc"]["patients"] == 40
    assert {one["column"] for one in verdict["subgroups"]} == {"site", "subgroup/sex"}

    bad = export_classifier(tmp_path / "bad", {"edema": -6.0})
    status, verdict, _ = judge("--model", bad, "--baseline", good)
    assert status == 4
    failed = {rule["name"] for rule in verdict["rules"] if rule["status"] == "fail"}
    assert {"auc floor", "non-inferiority"} <= failed
    assert verdict["baseline"]["difference"]["shifted"]["upper"] < -0.5


POINT = """
operating_points:
  - {name: screen, at_sensitivity: 0.9, shifted: {min_sensitivity: 0.6, min_specificity: 0.6}}
"""


def test_operating_points_are_chosen_on_validation_records(judge, good, validation, examples):
    status, verdict, lines = judge("--model", good, "--validation", validation, more=POINT)
    assert (status, verdict["reasons"]) == (0, []), lines
    (point,) = verdict["operating_points"]
    assert point["thresholds"][0]["patients"] == 20
    assert verdict["judged"]["rows"] == 160
    # The records that are judged are the same, and so are the exported model's own decisions.
    alone = judge("--model", good)[1]
    for name in ("auc", "sensitivity"):
        assert verdict["metrics"]["shifted"][name] == alone["metrics"]["shifted"][name]

    status, verdict, _ = judge("--model", good, more=POINT)
    assert status == 4
    assert "there are no in-distribution validation rows" in verdict["reasons"][0]
    for arguments, policy, expected in (
        ([validation], "", "--validation: the policy has no operating_points"),
        ([examples], POINT, "is of split 'shifted'; accepted: validation"),
        ([validation.replace("*", "none")], POINT, "--validation '"),
    ):
        status, verdict, lines = judge("--model", good, "--validation", *arguments, more=policy)
        assert (status, verdict) == (2, None)
        assert expected in lines


def test_a_patient_who_chooses_and_is_judged_is_refused(judge, good, examples, tmp_path):
    for path in sorted(Path(examples.partition("Split-")[0]).glob("Split-test/*.gz")):
        shutil.copy(path, tmp_path / "copy.gz")
    status, _, lines = judge("--model", good, "--validation", str(tmp_path / "copy.gz"), more=POINT)
    assert status == 2
    assert "--validation: 40 patients have records there" in lines


def test_bad_models_and_folders_are_bad_input(judge, good, tmp_path, export_classifier):
    other = export_classifier(tmp_path / "other", {"tumor": 1.0})
    for arguments, expected in (
        (["--model", str(tmp_path)], "is not a readable SavedModel"),
        (["--model", other], "gives ['tumor'], the examples have the labels ['edema']"),
        (["--model", good, "--baseline", str(tmp_path / "none")], "holds no other model"),
        (["--model", good, "--subgroup", "age"], "lack ['age'], they have ['sex']"),
        (["--model", good, "--examples", str(tmp_path / "*.gz")], "matches no file"),
    ):
        status, verdict, lines = judge(*arguments)
        assert (status, verdict) == (2, None)
        assert expected in lines


def test_records_of_other_splits_are_refused(tmp_path, good):
    path = tmp_path / "Split-validation" / "data.gz"
    path.parent.mkdir()
    path.write_bytes(b"")
    with pytest.raises(InputError, match="is of split 'validation', on which the model was made"):
        called_model.call_model(good, [str(path)])
    plain = tmp_path / "plain.gz"
    plain.write_bytes(b"no records" * 10)
    with pytest.raises(InputError, match="are not GZIP-compressed TFRecords"):
        called_model.call_model(good, [str(plain)])


def test_classes_in_the_order_of_the_card_or_as_given(tmp_path, write_records, export_classifier):
    rows = [
        {
            "brightness": n,
            "image/id": str(n),
            "patient_id": str(n),
            "domain": "shifted",
            "label/grade": float(n % 2),
        }
        for n in range(4)
    ]
    records = write_records(tmp_path / "data.gz", rows)
    model = export_classifier(tmp_path / "model", {"b": 1.0, "a": -1.0})
    with pytest.raises(InputError, match=r"gives the classes \['a', 'b'\]: give them by --classes"):
        called_model.call_model(model, [records])
    assert called_model.call_model(model, [records], classes=["b", "a"]).task.classes == ("b", "a")
    card = classifier_card(["b", "a"]).write(model)
    called = called_model.call_model(model, [records])
    assert called.task.classes == ("b", "a")
    assert called.table["label/b"].tolist() == [1, 0, 1, 0]
    card.write_text('{"targets": ["b", "a"]}')
    with pytest.raises(InputError, match=r"card\.json is not a ClassifierCard .*missing field"):
        called_model.call_model(model, [records])


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--model", "m"],
        ["--model", "m", "--predictions", "p"],
        ["--model", "m", "--examples", "e", "--threshold", "0.5"],
        ["--predictions", "p", "--baseline", "b"],
        ["--predictions", "p", "--validation", "v"],
        ["--predictions", "p", "--threshold", "2"],
    ],
)
def test_contradictory_arguments(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err


@pytest.mark.slow
def test_served_alone_as_judged(good, examples, tmp_path, export_classifier):
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    verdict = standalone.judge_model(good, [examples], policy=str(policy))
    assert verdict.blessed, verdict.reasons
    assert verdict.serving.max_difference < 1e-5
    other = export_classifier(tmp_path / "other", {"edema": 6.0}, serving_offset=0.1)
    verdict = standalone.judge_model(other, [examples], policy=str(policy))
    assert [rule.name for rule in verdict.rules if rule.status == "fail"] == ["serving check"]


@pytest.mark.parametrize("extra", [{}, {"any": 0.0}])
def test_a_model_of_classes_calls_one_for_each_image_or_is_refused(
    tmp_path, write_records, export_classifier, monkeypatch, capsys, extra
):
    """The class `any` has a probability of a half, which a threshold of a half always calls."""
    rows = [
        {
            "brightness": 60 + 120 * bright,
            "image/id": f"{domain}{n}",
            "patient_id": f"SECRET-{domain}{n}",
            "domain": domain,
            "label/tissue": float(1 - bright),
        }
        for domain in ("in_distribution", "shifted")
        for n in range(40)
        for bright in [n % 2]
    ]
    records = write_records(tmp_path / "Split-test" / "data.gz", rows)
    scales = {"bright": 6.0, "dark": -6.0} | extra
    model = export_classifier(tmp_path / "model", scales)
    tried = Serving(ok=True, message="fine", latency_ms=1.0, size_bytes=1000)
    monkeypatch.setattr("components.model_gate.serving.inputs.serving", lambda *_: tried)
    (tmp_path / "policy.yaml").write_text(POLICY)
    given = ["--model", model, "--examples", str(records), "--classes", ",".join(scales)]
    status = main([*given, "--policy", str(tmp_path / "policy.yaml")])
    verdict = json.loads(capsys.readouterr().out)
    assert verdict["confusion"]["shifted"]["classes"] == list(scales)
    if extra:
        assert status == 4
        assert "no class, or several, for 80 of 80 images" in " ".join(verdict["reasons"])
        assert verdict["confusion"]["shifted"]["undecided"] == [20, 20, 0]
    else:
        assert status == 0
        assert verdict["confusion"]["shifted"]["counts"] == [[20, 0], [0, 20]]
        assert verdict["metrics"]["shifted"]["accuracy"]["value"] == 1
