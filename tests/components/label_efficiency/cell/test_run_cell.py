"""Whole cells on tiny, made-up images."""

import json

import numpy as np
import pandas as pd
import pytest

from components.label_efficiency.cell import run_cell, training
from components.label_efficiency.cell.settings import CellSettings
from schemas.documents.study import Cell
from schemas.errors import InputError
from tests.trainer_modules import tiny_data
from trainer_modules.settings import FinetuneSettings, InitSettings, ModelSettings, TaskSettings
from trainer_modules.training import stage

pytestmark = pytest.mark.slow

TASK = TaskSettings.model_validate(tiny_data.BINARY)
MODEL = ModelSettings.model_validate(tiny_data.MODEL)
SEARCH = CellSettings(steps=4, batch_size=16, learning_rates=(1e-3, 1e-2), evaluation_share=0.5)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("splits")
    sizes = {"train": 40, "validation": 24, "test": 32, "shifted": 48}
    return {
        split: [tiny_data.write_split(folder / split, tiny_data.BINARY, size, seed)]
        for seed, (split, size) in enumerate(sizes.items())
    }


@pytest.fixture(scope="module")
def compute(files):
    def compute(cell, folder, settings=SEARCH, **origin):
        folder.mkdir()
        job = training.Job(
            TASK, MODEL, FinetuneSettings.model_validate(tiny_data.FINETUNE), settings, cell.seed
        )
        inputs = run_cell.Inputs(
            files=origin.pop("files", files),
            encoder="",
            init=InitSettings(),
            searched=str(origin.pop("searched", "")),
            start=str(origin.pop("start", "")),
            division_seed=7,
            keep_weights=True,
        )
        with stage.prepared(cell.name, MODEL, "float32", cell.seed) as strategy:
            return run_cell.run_cell(cell, job, inputs, strategy, folder)

    return compute


@pytest.fixture(scope="module")
def whole(compute, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cells") / "whole"
    return compute(Cell(arm="random", seed=1), folder), folder


def scores(folder, split="test"):
    table = pd.read_parquet(folder / "predictions.parquet")
    return table[table["split"] == split].set_index("patient_id")["prediction/finding"]


def test_search_keeps_the_best_candidate_on_validation(whole):
    result, folder = whole
    assert json.loads((folder / "cell.json").read_text())["status"] == "trained"
    aucs = {tried.candidate.learning_rate: tried.validation_auc for tried in result.search}
    assert set(aucs) == {1e-3, 1e-2}
    assert result.chosen.learning_rate == max(aucs, key=aucs.get)
    assert result.validation_auc == max(aucs.values())
    assert (result.patients, result.images) == (20, 40)


def test_test_split_and_half_of_the_shifted_patients_are_scored(whole):
    _, folder = whole
    assert len(scores(folder, "test")) == 32
    shifted = scores(folder, "shifted")
    assert len(shifted) == 24
    assert shifted.index.nunique() == 12


def test_same_cell_gives_the_same_scores(compute, whole, tmp_path):
    compute(Cell(arm="random", seed=1), tmp_path / "again")
    np.testing.assert_allclose(scores(tmp_path / "again"), scores(whole[1]), atol=1e-5)


def test_other_seed_takes_over_the_search_and_draws_anew(compute, whole, tmp_path):
    found = compute(Cell(arm="random", seed=2), tmp_path / "seed2", searched=whole[1])
    assert (found.search, found.chosen) == ((), whole[0].chosen)
    assert not np.allclose(scores(tmp_path / "seed2"), scores(whole[1]), atol=1e-3)


def test_adaptation_goes_on_from_the_classifier_on_shifted_labels(compute, whole, tmp_path):
    """With next to no learning rate it is the classifier that it started from."""
    cell = Cell(arm="random", seed=1, shifted_fraction=1.0)
    still = SEARCH.model_copy(update={"learning_rates": (1e-12,)})
    found = compute(cell, tmp_path / "still", still, start=whole[1])
    assert (found.patients, found.images) == (12, 24)
    np.testing.assert_allclose(scores(tmp_path / "still"), scores(whole[1]), atol=1e-5)
    compute(cell, tmp_path / "moved", start=whole[1], searched=whole[1])
    assert not np.allclose(scores(tmp_path / "moved"), scores(whole[1]), atol=1e-3)


def test_too_few_labels_leave_a_cell_that_says_so(compute, tmp_path):
    found = compute(Cell(arm="random", seed=0, fraction=0.01), tmp_path / "few")
    assert found.status == "not_enough_labels"
    assert "1 % of 20 patients" in found.reason
    assert not (tmp_path / "few" / "predictions.parquet").exists()
    after = compute(
        Cell(arm="random", seed=1, fraction=0.5), tmp_path / "after", searched=tmp_path / "few"
    )
    assert after.status == "not_enough_labels"
    assert after.reason.startswith(found.cell.name)


def test_no_shifted_images_leave_nothing_to_adapt_on(compute, files, tmp_path):
    cell = Cell(arm="random", seed=1, shifted_fraction=1.0)
    found = compute(cell, tmp_path / "none", files={**files, "shifted": []})
    assert (found.status, found.reason) == ("not_enough_labels", "there are no shifted images")


def test_trainings_that_all_diverge_are_refused(compute, tmp_path):
    wild = SEARCH.model_copy(update={"learning_rates": (1e30,)})
    with pytest.raises(InputError, match=r"study\.learning_rates"):
        compute(Cell(arm="random", seed=1), tmp_path / "wild", wild)
