"""`predict` on the files of a run gives what the run predicted, whatever their format."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from components.image_example_gen.privacy import Pseudonyms
from components.predictor.predict import predict
from tests.components.image_example_gen.decoding.dicom.made_dicom import file_of, make
from tests.e2e.conftest import ENVIRONMENT, TINY, leaked

pytestmark = [pytest.mark.slow, pytest.mark.e2e]

# Patients of each split; two images each.
PATIENTS = {"train": 40, "validation": 24, "test": 40, "shifted": 40}
SETTINGS = (
    *(setting for setting in TINY if not setting.startswith("data.synthetic")),
    "data.source=manifest",
    "data.subgroups=[sex]",
    "data.subgroup_bins={}",
    "pretrain.epochs=1",
    "pretrain.splits=[train]",
    # Enough for probabilities that differ.
    "finetune.epochs=8",
    "finetune.optimizer.learning_rate=0.02",
    "finetune.calibration=none",
)
FORMATS = ("png", "jpg", "cmyk", "tif", "deep", "dcm", "turned")


def write(folder, number: int, label: int) -> str:
    """An image, brighter at the top where the label is 1, in one of the formats."""
    rng = np.random.default_rng(number)
    kind = FORMATS[number % len(FORMATS)]
    values = rng.integers(0, 180, (40 + number % 30, 60)).astype(np.uint16)
    values[:20] += 70 * label
    gray = Image.fromarray(values.astype(np.uint8))
    suffix = {"deep": "png", "cmyk": "jpg", "turned": "jpg"}.get(kind, kind)
    path = folder / f"{number}.{suffix}"
    if kind == "tif":
        Image.fromarray(values * 16).save(path)
    elif kind == "deep":
        Image.fromarray(values * 4).save(path)
    elif kind == "cmyk":
        gray.convert("CMYK").save(path)
    elif kind == "dcm":
        made = make(1000 - values, PhotometricInterpretation="MONOCHROME1", PatientID="other")
        made.WindowCenter, made.WindowWidth = 870, 260
        path.write_bytes(file_of(made).getvalue())
    elif kind == "turned":
        exif = Image.Exif()
        exif[0x0112] = 6
        gray.rotate(90, expand=True).save(path, exif=exif)
    else:
        gray.convert("RGB").save(path)
    return path.name


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    rows = []
    for split, patients in PATIENTS.items():
        for place in range(2 * patients):
            patient, label = place // 2, place // 2 % 2
            rows.append(
                {
                    "image": write(folder, len(rows), label),
                    "patient_id": f"person-{split}-{patient}",
                    "site": "there" if split == "shifted" else "here",
                    "domain": "shifted" if split == "shifted" else "in_distribution",
                    "split": split,
                    "sex": "FM"[patient // 2 % 2],
                    "opacity": label,
                }
            )
    pd.DataFrame(rows).to_csv(folder / "manifest.csv", index=False)
    return folder / "manifest.csv"


@pytest.fixture(scope="module")
def pushed(checkout, manifest, tmp_path_factory):
    """A run on these files."""
    output = tmp_path_factory.mktemp("run")
    outcome = checkout.run(
        output, overrides=(*SETTINGS, f"data.root={manifest.parent}"), timeout=900
    )
    assert outcome.status == 0, outcome.screen
    return outcome


class TestARunOnFiles:
    def test_predict_gives_what_the_run_predicted(self, pushed, manifest):
        found = predict(pushed.output, manifest)
        assert set(found["left_out"]) == {""}
        hashed = Pseudonyms(ENVIRONMENT["REMEDIS_ID_KEY"].encode())
        found["image/id"] = found["image"].map(hashed.image)
        (path,) = (pushed.output / "artifacts" / "Predictor").rglob("predictions.parquet")
        judged = pd.read_parquet(path).merge(found, on="image/id", validate="one_to_one")
        assert len(judged) == 2 * sum(PATIENTS.values()) - 2 * PATIENTS["train"]
        assert set(judged["image"].str.extract(r"\.(\w+)$")[0]) == {"png", "jpg", "tif", "dcm"}
        np.testing.assert_allclose(judged["score"], judged["prediction/opacity"], atol=1e-5)
        assert judged["decision"].tolist() == judged["decision/opacity"].tolist()
        assert judged["label"].tolist() == judged["label/opacity"].tolist()
        # Not all the same, or equality would mean little.
        assert judged["score"].std() > 1e-3

    def test_gate_tried_original_files_of_every_format(self, pushed):
        gate = pushed.output / "artifacts" / "ModelGate"
        (path,) = (gate / "gate_report").rglob("verdict.json")
        serving = json.loads(path.read_text())["serving"]
        assert serving["ok"], serving["message"]
        kinds = (
            *("DICOM gray", "JPEG color", "JPEG gray with EXIF"),
            *("PNG color", "PNG gray of 16 bits", "TIFF gray"),
        )
        tried = f"on 96 original files ({', '.join(f'16 {kind}' for kind in kinds)})"
        assert tried in serving["message"]
        assert "refuses 16 DICOM gray, " in serving["message"]
        assert "16 TIFF gray, which predict serves" in serving["message"]
        assert serving["max_difference"] < 1e-5

    def test_no_artifact_holds_an_identity_or_an_original(self, pushed):
        assert not leaked(pushed.output, rb"person-|Exif\x00\x00|DICM")

    def test_its_table_feeds_the_gate_as_it_is(self, pushed, manifest, tmp_path, checkout):
        table = pd.read_csv(manifest)
        judged = table[table["split"].isin(["test", "shifted"])].drop(columns="split")
        (manifest.parent / "judged.csv").write_text(judged.to_csv(index=False))
        out = str(tmp_path / "predictions.csv")
        given = {"model": pushed.output, "images": manifest.parent / "judged.csv", "output": out}
        command = [sys.executable, "-m", "components.predictor"]
        command += [part for name, value in given.items() for part in (f"--{name}", str(value))]
        subprocess.run(command, cwd=checkout.folder, check=True, timeout=300)
        done = subprocess.run(
            [sys.executable, "-m", "components.model_gate", "--predictions", out],
            cwd=checkout.folder,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode in (0, 4, 5), done.stderr
        verdict = json.loads(done.stdout)
        assert verdict["judged"]["rows"] == 2 * (PATIENTS["test"] + PATIENTS["shifted"])
        assert verdict["judged"]["subgroups"] == ["sex"]
