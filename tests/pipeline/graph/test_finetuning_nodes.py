"""What the nodes that train and select are wired to."""

import json

import pytest

from pipeline.config.config import load_config

TRAINING_SPLITS = {"unlabeled", "train"}


@pytest.fixture(scope="module")
def nodes():
    from pipeline.graph.create_pipeline import Places, create_pipeline

    config = load_config(preset="demo", overrides=["finetune.search.enabled=true"])
    places = Places("/root", "/checkpoints", "/pushed", "/schema.pbtxt")
    pipeline = create_pipeline(config, places, data_fingerprint="data")
    return {component.id: component for component in pipeline.components}


@pytest.mark.slow
@pytest.mark.tfx
@pytest.mark.parametrize("name", ["Pretrainer", "FinetuneTuner", "Finetuner"])
def test_trainers_and_search_read_training_and_validation_splits_alone(nodes, name):
    properties = nodes[name].exec_properties
    train, evaluation = (
        json.loads(properties[key])["splits"] for key in ("train_args", "eval_args")
    )
    assert train
    assert set(train) <= TRAINING_SPLITS
    assert evaluation == ["validation"]


@pytest.mark.slow
@pytest.mark.tfx
def test_search_comes_between_encoder_and_finetuning(nodes):
    def producer(node, key):
        return nodes[node].inputs[key].producer_component_id

    assert (
        producer("FinetuneTuner", "base_model")
        == producer("Finetuner", "base_model")
        == "Pretrainer"
    )
    assert (
        producer("FinetuneTuner", "examples")
        == producer("Finetuner", "examples")
        == "ImageExampleGen"
    )
    assert producer("Finetuner", "hyperparameters") == "FinetuneTuner"
    assert set(nodes["FinetuneTuner"].inputs) == {"examples", "base_model"}
    assert set(nodes["Finetuner"].inputs) == {"examples", "base_model", "hyperparameters"}
    configs = [
        json.loads(nodes[name].exec_properties["custom_config"])
        for name in ("FinetuneTuner", "Finetuner")
    ]
    # They run different code, and are told the same.
    digests = [config.pop("code_digest") for config in configs]
    assert digests[0] != digests[1]
    assert configs[0] == configs[1]
