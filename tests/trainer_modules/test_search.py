"""The search of hyperparameters under TFX's own Tuner and Trainer executors.

What is trained and selected must depend on the train and the validation split alone.
"""

import json
import pathlib
import types

import h5py
import numpy as np
import pytest

from schemas.errors import InputError
from tests.made_documents import encoder_card
from tests.trainer_modules import tiny_data
from trainer_modules import export, search
from trainer_modules.backbones import registry
from trainer_modules.settings import ModelSettings, SearchSettings

SEARCH = {"enabled": True, "learning_rates": [3e-3, 1e-5], "weight_decays": [1e-4], "epochs": 1}


def test_the_default_grid():
    found = search.candidates(SearchSettings(), seed=0)
    assert len(found) == 28
    rates = sorted({candidate["learning_rate"] for candidate in found})
    np.testing.assert_allclose(np.log10(rates), [-3.5, -3, -2.5, -2, -1.5, -1, -0.5])
    assert {candidate["weight_decay"] for candidate in found} == {0, 1e-5, 1e-4, 1e-3}


def test_a_part_of_the_grid_is_drawn_by_the_seed():
    settings = SearchSettings(trials=5)
    drawn = [search.candidates(settings, seed) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    whole = search.candidates(SearchSettings(), 0)
    places = [whole.index(candidate) for candidate in drawn[0]]
    assert places == sorted(set(places))
    assert len(places) == 5


def test_values_that_repeat_are_refused():
    with pytest.raises(ValueError, match="every value once"):
        SearchSettings(learning_rates=(0.1, 0.1))


def test_more_trials_than_candidates_are_refused():
    with pytest.raises(ValueError, match="the grid has 28 candidates"):
        SearchSettings(trials=29)


@pytest.fixture(scope="module")
def splits(tmp_path_factory):
    """Folders of two equal data sets; test and shifted of the second one can't be read."""
    folders = []
    for name in ("whole", "poisoned"):
        root = tmp_path_factory.mktemp(name)
        tiny_data.write_split(root / "Split-train", tiny_data.BINARY, 48)
        tiny_data.write_split(root / "Split-validation", tiny_data.BINARY, 36, seed=1)
        if name == "whole":
            tiny_data.write_split(root / "Split-test", tiny_data.BINARY, 12, seed=2)
            tiny_data.write_split(root / "Split-shifted", tiny_data.BINARY, 12, seed=3)
        else:
            for split in ("test", "shifted"):
                (root / f"Split-{split}").mkdir()
                (root / f"Split-{split}" / "data_tfrecord-00000-of-00001.gz").write_bytes(b"poison")
        folders.append(root)
    return folders


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """An encoder with random weights, as the Pretrainer's Model artifact."""
    folder = tmp_path_factory.mktemp("encoder")
    network = registry.build_backbone(ModelSettings.model_validate(tiny_data.MODEL))
    export.export_encoder(network, folder / "Format-Serving", encoder_card(**tiny_data.MODEL))
    return folder


def searched_and_finetuned(data, encoder, folder):
    """Runs TFX's executors on a data set: results of the search, and the Trainer's model."""
    from tfx.components.trainer import executor as trainer
    from tfx.components.tuner import executor as tuner
    from tfx.types import artifact_utils, standard_artifacts
    from tfx.utils import json_utils

    def artifact(kind, uri):
        made = kind()
        made.uri = str(uri)
        return made

    examples = artifact(standard_artifacts.Examples, data)
    examples.split_names = artifact_utils.encode_split_names(
        ["train", "validation", "test", "shifted"]
    )
    examples.set_string_custom_property("payload_format", "FORMAT_TF_EXAMPLE")
    model = artifact(standard_artifacts.Model, encoder)
    inputs = {"examples": [examples], "base_model": [model]}
    sections = {
        "task": tiny_data.BINARY,
        "model": tiny_data.MODEL,
        "finetune": tiny_data.FINETUNE | {"search": SEARCH},
        "seed": 3,
    }
    config = {
        "settings": sections,
        "code_digest": "code",
        "checkpoint_root": str(folder / "checkpoints"),
    }
    properties = {
        "train_args": json.dumps({"splits": ["train"]}),
        "eval_args": json.dumps({"splits": ["validation"]}),
        "custom_config": json_utils.dumps(config),
    }
    outputs = {
        "best_hyperparameters": [artifact(standard_artifacts.HyperParameters, folder / "best")],
        "tuner_results": [artifact(standard_artifacts.TunerResults, folder / "results")],
        "model": [artifact(standard_artifacts.Model, folder / "model")],
        "model_run": [artifact(standard_artifacts.ModelRun, folder / "run")],
    }
    for made in outputs.values():
        pathlib.Path(made[0].uri).mkdir(parents=True)
    context = tuner.Executor.Context(tmp_dir=str(folder / "tmp"), unique_id="1")
    tuner.Executor(context).Do(
        inputs, outputs, properties | {"tuner_fn": "trainer_modules.search.tuner_fn"}
    )
    inputs["hyperparameters"] = outputs["best_hyperparameters"]
    context = trainer.GenericExecutor.Context(tmp_dir=str(folder / "tmp"), unique_id="2")
    trainer.GenericExecutor(context).Do(
        inputs, outputs, properties | {"run_fn": "trainer_modules.finetune.run_fn"}
    )
    results = json.loads((folder / "results" / "tuner_results.json").read_text())
    return results, folder / "model" / "Format-Serving" / "assets.extra"


def weights(extra):
    found = []
    with h5py.File(extra / "encoder.weights.h5") as file:
        file.visititems(
            lambda _, item: found.append(item[()]) if isinstance(item, h5py.Dataset) else None
        )
    return found


@pytest.fixture(scope="module")
def outcomes(splits, encoder, tmp_path_factory):
    return [
        searched_and_finetuned(data, encoder, tmp_path_factory.mktemp("outcome")) for data in splits
    ]


@pytest.mark.slow
def test_the_best_candidate_is_finetuned(outcomes):
    results, extra = outcomes[0]
    assert len(results) == 2
    best = max(results, key=lambda result: result["score"])
    card = json.loads((extra / "card.json").read_text())
    assert card["trained_on"]["chosen_by_search"] == ["learning_rate", "weight_decay"]
    assert card["trained_on"]["optimizer"]["learning_rate"] == best["learning_rate"]
    assert card["trained_on"]["optimizer"]["weight_decay"] == 1e-4
    assert not list((extra.parents[2] / "checkpoints").iterdir())


@pytest.mark.slow
def test_no_test_or_shifted_example_reaches_training_or_selection(outcomes):
    """With unreadable test and shifted splits both succeed, and with identical results."""
    (results, extra), (poisoned_results, poisoned_extra) = outcomes
    assert results == poisoned_results
    for one, other in zip(weights(extra), weights(poisoned_extra), strict=True):
        np.testing.assert_array_equal(one, other)
    cards = [json.loads((each / "card.json").read_text()) for each in (extra, poisoned_extra)]
    assert cards[0] == cards[1]


def arguments(data, encoder, folder, **changed):
    settings = tiny_data.FINETUNE | {"search": SEARCH | changed}
    args = tiny_data.fn_args(
        folder,
        "finetune",
        tiny_data.BINARY,
        settings,
        str(data / "Split-train" / "*"),
        str(data / "Split-validation" / "*"),
        base_model=str(encoder / "Format-Serving"),
    )
    return types.SimpleNamespace(**vars(args) | {"working_dir": str(folder / "scratch")})


@pytest.mark.slow
def test_a_killed_search_goes_on_with_the_candidate_it_was_at(
    splits, encoder, outcomes, tmp_path, monkeypatch
):
    trained = []

    def counted(*args, **kwargs):
        if len(trained) == 1:
            raise KeyboardInterrupt
        trained.append(kwargs["chosen"])
        return fit_classifier(*args, **kwargs)

    fit_classifier = search.fit_classifier
    monkeypatch.setattr(search, "fit_classifier", counted)
    args = arguments(splits[0], encoder, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        search.tuner_fn(args).tuner.search()
    monkeypatch.setattr(
        search,
        "fit_classifier",
        lambda *a, **k: trained.append(k["chosen"]) or fit_classifier(*a, **k),
    )
    tuner = search.tuner_fn(args).tuner
    tuner.search()
    assert [chosen["learning_rate"] for chosen in trained] == [3e-3, 1e-5]
    found = {
        trial.hyperparameters.get("learning_rate"): trial.score
        for trial in tuner.oracle.get_best_trials(2)
    }
    whole = {result["learning_rate"]: result["score"] for result in outcomes[0][0]}
    assert found == pytest.approx(whole)


@pytest.mark.slow
def test_diverging_candidates_are_left_out_and_only_that_is_forgiven(
    splits, encoder, tmp_path, monkeypatch
):
    args = arguments(splits[0], encoder, tmp_path, learning_rates=[1e-3, 1e30])
    said = []
    monkeypatch.setattr(search, "progress", said.append)
    tuner = search.tuner_fn(args).tuner
    tuner.search()
    (best,) = tuner.get_best_hyperparameters()
    assert best.get("learning_rate") == 1e-3
    assert any("candidate 2/2 is left out: the loss became" in line for line in said)
    assert not list((tmp_path / "checkpoints").iterdir())
    args = arguments(splits[0], encoder, tmp_path, learning_rates=[1e30])
    with pytest.raises(InputError, match="smaller learning rates"):
        search.tuner_fn(args).tuner.search()
    args = arguments(tmp_path, encoder, tmp_path)
    with pytest.raises(Exception, match="no file matches"):
        search.tuner_fn(args).tuner.search()
