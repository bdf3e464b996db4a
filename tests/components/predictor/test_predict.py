"""`predict` on originals: what it says of each file, that it goes on, and its command line."""

import csv
import itertools
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from components.predictor import __main__ as command
from components.predictor import predict as predictions
from components.predictor.originals import output
from schemas.errors import InputError
from tests.components.image_example_gen.decoding.dicom.made_dicom import file_of, make, without
from trainer_modules.settings import TaskSettings

ROOT = Path(__file__).parents[3]
BINARY = {"kind": "binary", "labels": ["edema"]}
REPORT = "1.2.840.10008.5.1.4.1.1.88.11"
CLASSES = {"kind": "multiclass", "labels": ["tissue"], "classes": ["fat", "tumor"]}

pytestmark = pytest.mark.slow


def probability(gray: float) -> float:
    """Of the model of the tests, for an image of one gray level."""
    return 1 / (1 + math.exp(-6 * (gray / 255 - 0.5)))


def save(path: Path, gray: int, **how) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((20, 30), gray, np.uint8)).save(path, **how)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory, push_classifier) -> Path:
    folder = tmp_path_factory.mktemp("model")
    push_classifier(folder / "1", BINARY, {"stored_size": 16, "subgroups": ["sex"]})
    return folder


@pytest.fixture
def folder(tmp_path) -> Path:
    """Images of several formats, and files that are none."""
    below = tmp_path / "images"
    save(below / "a.png", 30)
    save(below / "deep" / "b.jpg", 200, quality=100)
    samples = np.full((20, 30), 4095, np.uint16)
    samples[:, :15] = 0
    Image.fromarray(samples).save(below / "c.tif")
    (below / "README.txt").write_text("not an image")
    (below / "d.png").write_bytes((below / "a.png").read_bytes()[:45])
    return below


def test_every_file_of_a_folder_is_predicted_or_left_out_with_the_reason(model, folder):
    table = predictions.predict(model, folder).set_index("image")
    assert list(table.index) == ["README.txt", "a.png", "c.tif", "d.png", "deep/b.jpg"]
    reasons = table["left_out"]
    assert reasons["README.txt"].startswith("unsupported: not one of PNG")
    assert reasons["d.png"].startswith("unreadable: ")
    assert table["score"].isna().tolist() == [True, False, False, True, False]
    # Twelve bits in sixteen: half black, half white.
    for image, gray in (("a.png", 30), ("deep/b.jpg", 200), ("c.tif", 127.5)):
        assert reasons[image] == ""
        assert table["score"][image] == pytest.approx(probability(gray), abs=1e-3)
    assert table["decision"][["a.png", "deep/b.jpg"]].tolist() == [0, 1]
    assert set(table["domain"]) == {"in_distribution"}
    assert table["patient_id"]["a.png"] == ""


def test_dicom_frames_have_their_patient_and_other_objects_a_reason(model, tmp_path):
    frames = np.stack([np.full((20, 30), value, np.uint8) for value in (10, 240)])
    film = make(frames, frames=2, PatientID="p7")
    report = without(make(frames[0], SOPClassUID=REPORT), "Rows", "Columns", "PixelData")
    for name, made in (("IM1", film), ("SR1", report)):
        (tmp_path / name).write_bytes(file_of(made).getvalue())
    table = predictions.predict(model, tmp_path).set_index("image")
    assert list(table.index) == ["IM1#0", "IM1#1", "SR1"]
    assert table["patient_id"].tolist()[:2] == ["p7", "p7"]
    assert table["score"]["IM1#0"] == pytest.approx(probability(10), abs=1e-6)
    assert table["score"]["IM1#1"] == pytest.approx(probability(240), abs=1e-6)
    assert table["left_out"]["SR1"].startswith("no_image: Basic Text SR")


def manifest(folder: Path, rows: int) -> Path:
    lines = ["image,patient_id,edema,domain,sex"]
    for n in range(rows):
        gray = 40 + (n * 37) % 180
        save(folder / f"{n}.png", gray)
        domain = "shifted" if n % 2 else "in_distribution"
        lines.append(f"{n}.png,p{n // 2},{int(gray > 120)},{domain},{'FM'[n // 2 % 2]}")
    path = folder / "manifest.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_manifests_columns_come_along_and_the_gate_reads_them(model, tmp_path):
    table = manifest(tmp_path, 12)
    found = predictions.predict(model, table)
    given = pd.read_csv(table)
    for name in ("image", "patient_id", "domain", "sex"):
        assert found[name].tolist() == given[name].tolist()
    assert found["label"].tolist() == given["edema"].tolist()
    assert list(found.columns) == [
        *("image", "patient_id", "domain", "site", "sex", "label", "score", "decision"),
        *("statistic/mean", "statistic/std", "statistic/blur"),
        *("statistic/source_height", "statistic/source_width", "left_out"),
    ]


def test_images_are_described_for_monitoring(model, folder):
    """Uniform pictures: gray levels of 255, no spread; sizes before any image is shrunk."""
    table = predictions.predict(model, folder).set_index("image")
    described = table.filter(like="statistic/").rename(columns=lambda one: one.split("/")[1])
    assert described["mean"]["a.png"] == pytest.approx(30 / 255)
    assert described["std"]["a.png"] == 0
    # Half black, half white.
    assert described["mean"]["c.tif"] == pytest.approx(0.5, abs=0.01)
    assert described["std"]["c.tif"] == pytest.approx(0.5, abs=0.01)
    with Image.open(folder / "a.png") as image:
        size = (described["source_width"]["a.png"], described["source_height"]["a.png"])
        assert size == image.size
    assert described.loc["d.png"].isna().all()


def test_classes_have_columns_each(tmp_path, push_classifier):
    push_classifier(tmp_path / "m" / "1", CLASSES, {})
    save(tmp_path / "a.png", 90)
    (tmp_path / "t.csv").write_text("image,patient_id,tissue\na.png,p,tumor\n")
    (row,) = predictions.predict(tmp_path / "m", tmp_path / "t.csv").to_dict("records")
    assert row["label"] == "tumor"
    assert row["score/fat"] == row["score/tumor"] == pytest.approx(probability(90), abs=1e-6)
    assert row["decision"] is None  # of the tests' model, which calls none of the classes


@pytest.mark.parametrize(
    ("decisions", "called"),
    [((1, 0, 0), "fat"), ((0, 0, 1), "a,b"), ((0, 0, 0), None), ((1, 1, 0), None)],
)
def test_the_class_that_is_called_is_named(decisions, called):
    task = TaskSettings(kind="multiclass", labels=("tissue",), classes=("fat", "tumor", "a,b"))
    columns = output.Columns(task, SimpleNamespace(labels=None, has_split=False, subgroups=()))
    row = SimpleNamespace(
        image="a.png", patient_id="p", domain="shifted", site="x", subgroups=(), labels=None
    )
    predicted = {}
    for name, score, decision in zip(task.classes, (0.2, 0.3, 0.5), decisions, strict=True):
        predicted |= {f"prediction/{name}": score, f"decision/{name}": float(decision)}
    values = columns.row(SimpleNamespace(row=row), predicted, "", (0.1, 0.2, 0.3, 8.0, 9.0))
    scores = ["score/fat", "score/tumor", "score/a,b"]
    first = ["image", "patient_id", "domain", "site"]
    described = [f"statistic/{one}" for one in ("mean", "std", "blur")]
    described += ["statistic/source_height", "statistic/source_width"]
    assert list(columns.names) == [*first, *scores, "decision", *described, "left_out"]
    statistics = [0.1, 0.2, 0.3, 8.0, 9.0]
    assert values == ["a.png", "p", "shifted", "x", 0.2, 0.3, 0.5, called, *statistics, ""]
    assert columns.row(SimpleNamespace(row=row), None, "gone")[4:] == [None] * 9 + ["gone"]


def cells(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def interrupted_after(batches: int, monkeypatch):
    """Lets the model answer so many batches, then fails as a killed process would."""
    real = predictions._predicted
    calls = itertools.count()

    def limited(*arguments):
        if next(calls) == batches:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(predictions, "_predicted", limited)
    return real


def test_goes_on_after_an_interruption_and_predicts_changed_files_again(
    model, tmp_path, monkeypatch
):
    table, out = manifest(tmp_path / "data", 12), tmp_path / "out.csv"
    arguments = [str(model), str(table), str(out)]
    real = interrupted_after(2, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        predictions.predict_to_file(*arguments, batch_size=3)
    unfinished = tmp_path / "out.csv.unfinished"
    assert not out.exists()
    assert len(unfinished.read_bytes().splitlines()) == 1 + 6
    # A row cut short, as a power failure leaves it.
    unfinished.write_bytes(unfinished.read_bytes()[:-4])
    time.sleep(0.01)
    save(tmp_path / "data" / "3.png", 250)
    monkeypatch.setattr(predictions, "_predicted", real)
    lines = []
    outcome = predictions.predict_to_file(*arguments, batch_size=3, say=lines.append)
    assert (outcome.rows, outcome.resumed) == (12, 3)
    assert "3 rows exist from an earlier start" in lines[0]
    assert not unfinished.exists()
    once = predictions.predict(model, table)
    assert [row["image"] for row in cells(out)] == once["image"].tolist()
    written = [float(row["score"]) for row in cells(out)]
    np.testing.assert_allclose(written, once["score"], atol=1e-6)
    assert written[3] == pytest.approx(probability(250), abs=1e-6)


def test_rows_of_another_model_are_not_taken(model, tmp_path, push_classifier, monkeypatch):
    table, out = manifest(tmp_path / "data", 6), tmp_path / "out.parquet"
    real = interrupted_after(1, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        predictions.predict_to_file(str(model), str(table), str(out), batch_size=2)
    monkeypatch.setattr(predictions, "_predicted", real)
    other = push_classifier(tmp_path / "other", BINARY, {"subgroups": ["sex"]}, scale=-6.0)
    outcome = predictions.predict_to_file(str(other), str(table), str(out))
    assert outcome.resumed == 0
    found = pd.read_parquet(out)
    first = 1 - probability(40)
    assert found["score"][0] == pytest.approx(first, abs=1e-6)
    assert found["left_out"].tolist() == [""] * 6


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--output", "x.txt"], "must end in .csv or .parquet"),
        (["--output", "no/where/x.csv"], "no folder"),
        (["--output", "x.csv", "--images", "nothing"], "no such file or folder"),
        (["--output", "x.csv", "--model", "nothing"], "is not a folder"),
    ],
)
def test_mistakes_are_one_line_and_exit_2(model, tmp_path, monkeypatch, capsys, more, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "i").mkdir()
    assert command.main(["--model", str(model), "--images", "i", *more]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert message in line


# Tells afterwards which of the large libraries were imported.
COMMAND = """
import sys
from components.predictor.__main__ import main
try:
    status = main()
except SystemExit as done:
    status = done.code
print(sorted({"tensorflow", "tfx", "apache_beam", "numpy"} & set(sys.modules)))
sys.exit(status)
"""


def test_command_line_in_a_process_of_its_own(model, folder, tmp_path):
    def run(*given: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", COMMAND, *given]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)

    out = tmp_path / "p.csv"
    done = run("--model", str(model), "--images", str(folder), "--output", str(out))
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines() == [
        f"{out}: 3 images predicted, 2 left out (1 unreadable, 1 unsupported)",
        "['numpy', 'tensorflow']",
    ]
    assert [line for line in done.stderr.splitlines() if not line.startswith("predict: ")] == []
    helped = run("--help")
    assert "--images" in helped.stdout
    assert helped.stdout.splitlines()[-1] == "[]"


def test_no_arguments_show_the_help(capsys):
    assert command.main([]) == 2
    assert "usage: python -m components.predictor" in capsys.readouterr().err


def test_nothing_usable_is_bad_input(model, tmp_path, capsys):
    (tmp_path / "i").mkdir()
    (tmp_path / "i" / "a.txt").write_text("x")
    out = tmp_path / "o.csv"
    given = ["--model", str(model), "--images", str(tmp_path / "i"), "--output", str(out)]
    assert command.main(given) == 2
    assert "none of them can be used (1 unsupported)" in capsys.readouterr().err
    (tmp_path / "e").mkdir()
    with pytest.raises(InputError, match="the folder contains no file"):
        predictions.predict_to_file(str(model), str(tmp_path / "e"), str(out))


def test_a_second_process_for_the_same_output_is_refused(model, tmp_path, monkeypatch):
    table, out = manifest(tmp_path / "data", 4), str(tmp_path / "out.csv")
    real = predictions._predicted

    def nested(*arguments):
        with pytest.raises(InputError, match="another predict is writing it"):
            predictions.predict_to_file(str(model), str(table), out)
        return real(*arguments)

    monkeypatch.setattr(predictions, "_predicted", nested)
    assert predictions.predict_to_file(str(model), str(table), out).rows == 4
    assert json.dumps(sorted(p.name for p in tmp_path.iterdir())) == '["data", "out.csv"]'


def test_the_table_is_no_image_of_the_folder(model, folder):
    images = ["README.txt", "a.png", "c.tif", "d.png", "deep/b.jpg"]
    for _ in range(2):
        predictions.predict_to_file(str(model), str(folder), str(folder / "out.csv"))
        assert [row["image"] for row in cells(folder / "out.csv")] == images


def test_names_of_files_are_no_formulas_and_stay_apart(model, tmp_path):
    below = tmp_path / "i"
    for name in (
        "=cmd|calc!A1.png",
        "-1.png",
        os.fsdecode(b"a\xff.png"),
        os.fsdecode(b"a\xfe.png"),
    ):
        save(below / name, 90)
    film = make(np.full((20, 30), 90, np.uint8), PatientID='=HYPERLINK("x")')
    (below / "IM1").write_bytes(file_of(film).getvalue())
    (below / "IM2").write_bytes(file_of(make(film.pixel_array, PatientID="-12")).getvalue())
    predictions.predict_to_file(str(model), str(below), str(tmp_path / "o.csv"))
    found = {row["image"]: row["patient_id"] for row in cells(tmp_path / "o.csv")}
    assert found == {
        "./-1.png": "",
        "./=cmd|calc!A1.png": "",
        "IM1": '\'=HYPERLINK("x")',
        "IM2": "-12",
        "a\\xfe.png": "",
        "a\\xff.png": "",
    }


def test_a_manifest_may_end_in_capitals(model, tmp_path):
    table = manifest(tmp_path, 3)
    capitals = table.rename(tmp_path / "MANIFEST.CSV")
    assert predictions.predict(model, capitals)["image"].tolist() == ["0.png", "1.png", "2.png"]


@pytest.mark.parametrize("output", ["o.csv", "a\0.csv"])
def test_a_table_that_cannot_be_written_is_bad_input(model, tmp_path, output):
    save(tmp_path / "a.png", 9)
    (tmp_path / "o.csv.unfinished").mkdir()
    with pytest.raises(InputError, match="--output"):
        predictions.predict_to_file(str(model), str(tmp_path / "a.png"), f"{tmp_path}/{output}")


@pytest.mark.parametrize("parts", [None, 5, [{}]])
def test_a_damaged_card_is_bad_input(tmp_path, push_classifier, parts):
    folder = push_classifier(tmp_path / "1", BINARY, {})
    (path,) = (folder / "assets.extra").glob("*.json")
    card = json.loads(path.read_text())
    card["ingestion"]["data"] |= {"parts": parts}
    path.write_text(json.dumps(card))
    with pytest.raises(InputError, match="another version of this code"):
        predictions.predict(folder, tmp_path)


def test_the_table_does_not_replace_the_manifest(model, tmp_path):
    table = manifest(tmp_path, 3)
    text = table.read_text()
    with pytest.raises(InputError, match="is what --images names"):
        predictions.predict_to_file(str(model), str(table), str(table))
    assert table.read_text() == text


def test_the_path_of_a_missing_file_is_no_patient(model, tmp_path):
    save(tmp_path / "a.png", 9)
    (tmp_path / "m.csv").write_text("image\na.png\ngone.png\n")
    table = predictions.predict(model, tmp_path / "m.csv")
    assert table["patient_id"].tolist() == ["", ""]
    assert table["left_out"].tolist() == ["", "missing: no such file"]
