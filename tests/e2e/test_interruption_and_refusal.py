"""Local runs that are killed or refused, as a user sees them."""

import csv

import numpy as np
import pytest
from PIL import Image

from tests.e2e.conftest import TINY, Checkout, leaked

pytestmark = [pytest.mark.slow, pytest.mark.e2e]


def test_killed_pretraining_continues_to_the_same_result(first_summary, tmp_path):
    checkout = Checkout(tmp_path / "checkout")  # the shared one is edited meanwhile
    checkout.kill_when("Pretrainer: pretrain epoch 2/3", tmp_path / "killed", TINY)
    resumed = checkout.run(tmp_path / "killed")
    assert resumed.status == 0, resumed.screen
    assert resumed.states["ImageExampleGen"] == "cached"
    assert "resumed after epoch" in resumed.screen
    for domain in ("in_distribution", "shifted"):
        whole = first_summary["metrics"][domain]["auc"]["value"]
        assert resumed.summary["metrics"][domain]["auc"]["value"] == pytest.approx(whole, abs=0.02)


class TestRefusals:
    """Each refusal has its exit status and a message that says what is wrong."""

    @pytest.fixture
    def manifest(self, tmp_path):
        """A small manifest data set of noise images: 60 patients in distribution, 20 shifted."""
        rng = np.random.default_rng(0)
        folder = tmp_path / "data"
        folder.mkdir()
        rows = []
        for number in range(160):
            name = f"image{number:03}.png"
            pixels = rng.integers(0, 255, (40, 40), np.uint8)
            Image.fromarray(pixels).save(folder / name)
            patient = number // 2
            rows.append(
                {
                    "image": name,
                    "patient_id": f"person-{patient}",
                    "site": "here" if patient < 60 else "there",
                    "domain": "in_distribution" if patient < 60 else "shifted",
                    "split": "" if patient >= 60 else ("train", "validation", "test")[patient % 3],
                    "opacity": number // 4 % 2,
                }
            )
        return folder, rows

    @staticmethod
    def write(folder, rows):
        with (folder / "manifest.csv").open("w", newline="") as stream:
            writer = csv.DictWriter(stream, fieldnames=rows[0])
            writer.writeheader()
            writer.writerows(rows)
        return (
            *TINY,
            "data.source=manifest",
            f"data.root={folder}",
            "data.subgroups=[]",
            "data.subgroup_bins={}",
            "pretrain.splits=[train]",
        )

    def test_leaks_of_every_kind(self, checkout, manifest, tmp_path):
        folder, rows = manifest
        for row in rows:
            row["study_id"], row["slide_id"] = row["patient_id"].replace("person", "exam"), ""
        rows[0]["split"], rows[1]["split"] = "train", "test"
        rows[6]["study_id"] = rows[8]["study_id"]
        rows[12]["slide_id"] = rows[14]["slide_id"] = "glass-7"
        (folder / rows[18]["image"]).write_bytes((folder / rows[20]["image"]).read_bytes())
        with Image.open(folder / rows[24]["image"]) as image:
            image.point(lambda value: value * 0.8).save(folder / rows[26]["image"])
        overrides = (*self.write(folder, rows), "data_gate.near_duplicates=stop")
        outcome = checkout.run(tmp_path / "run", overrides=overrides)
        assert outcome.status == 3, outcome.screen
        assert outcome.summary["verdict"] == "stopped_by_data_gate"
        assert "Pretrainer" not in outcome.states
        page = (outcome.output / "report" / "index.html").read_text()
        for words in (
            "1 patient is in more than one split: train and test (rows 1, 2)",
            "2 studies are in more than one split: train and test (rows 1, 2); train and "
            "validation (rows 7, 9, 10)",
            "1 slide is in more than one split: train and validation (rows 13, 15)",
            "1 image is in more than one split: train and validation (rows 19, 21)",
            "1 pair of images looks alike across splits: train (row 25) and validation (row 27)",
        ):
            assert any(words in reason for reason in outcome.summary["reasons"]), words
            assert words in page
        assert page.count("data:image/png;base64,") == 4
        assert not leaked(outcome.output, rb"person-\d|exam-\d|glass-7|image\d\d\d\.png")

    def test_many_broken_images(self, checkout, manifest, tmp_path):
        folder, rows = manifest
        for row in rows[::3]:
            (folder / row["image"]).write_bytes(b"not an image")
        outcome = checkout.run(tmp_path / "run", overrides=self.write(folder, rows))
        assert outcome.status == 2, outcome.screen
        assert "max_broken_fraction" in outcome.screen

    def test_missing_image_folder(self, checkout, manifest, tmp_path):
        folder, rows = manifest
        overrides = self.write(folder, rows)
        overrides = (*overrides, f"data.root={folder / 'nowhere'}")
        outcome = checkout.run(tmp_path / "run", overrides=overrides)
        assert outcome.status == 2
        assert "nowhere" in outcome.screen
        assert "Traceback" not in outcome.screen

    def test_unknown_study(self, checkout, tmp_path):
        outcome = checkout.run(tmp_path / "run", "--study", "label_efficency")
        assert outcome.status == 2
        assert "nearest valid name: 'label_efficiency'" in outcome.screen
        assert "Traceback" not in outcome.screen

    def test_unknown_setting(self, checkout, tmp_path):
        outcome = checkout.run(tmp_path / "run", overrides=("gate.min_auk=0.9",))
        assert outcome.status == 2
        assert "gate.min_auk" in outcome.screen
        assert "nearest" in outcome.screen
