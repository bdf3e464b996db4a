"""Pods' settings: what one node changes, and what is refused."""

import pytest

from pipeline.config.config import dump_config, load_config
from schemas.errors import InputError


def _kubernetes(*overrides):
    return load_config(preset="demo", overrides=[f"kubernetes.{o}" for o in overrides]).kubernetes


def test_node_changes_only_what_it_names():
    settings = _kubernetes("nodes.Finetuner.gpus=1", "step.retries=1")
    finetuner = settings.of_node("Finetuner")
    assert (finetuner.gpus, finetuner.cpu, finetuner.memory, finetuner.retries) == (
        1,
        "4",
        "16Gi",
        1,
    )
    assert settings.of_node("Reporter") == settings.step


def test_gpu_for_one_node_leaves_the_other_its_secret():
    settings = _kubernetes("nodes.Finetuner.gpus=1")
    (secret,) = settings.of_node("ImageExampleGen").secret_variables
    assert secret.variable == "REMEDIS_ID_KEY"
    assert settings.of_node("Finetuner").secret_variables == ()


def test_default_of_a_node_can_be_taken_away():
    settings = _kubernetes("nodes.ImageExampleGen.secret_variables=[]")
    assert settings.of_node("ImageExampleGen").secret_variables == ()


def test_null_leaves_the_step_as_it_is():
    settings = _kubernetes("nodes.Finetuner.gpus=null", "step.gpus=1")
    assert settings.of_node("Finetuner").gpus == 1


def test_numbers_are_text_to_kubernetes():
    settings = _kubernetes("step.cpu=4", "step.environment.WORKERS=2")
    assert (settings.step.cpu, settings.step.environment) == ("4", {"WORKERS": "2"})


def test_saved_configuration_reads_back(tmp_path):
    config = load_config(preset="demo", overrides=["kubernetes.nodes.Finetuner.gpus=1"])
    (tmp_path / "config.yaml").write_text(dump_config(config))
    assert load_config(path=str(tmp_path / "config.yaml")) == config
    assert config.model_dump(mode="json")["kubernetes"]["nodes"]["Finetuner"] == {
        "cpu": "4",
        "memory": "16Gi",
        "gpus": 1,
    }


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("step.cpu=two", "'kubernetes.step.cpu': received 'two'"),
        ("step.memory=16GB", "'kubernetes.step.memory': received '16GB'"),
        ("step.gpus=-1", "'kubernetes.step.gpus'"),
        ("step.volumes=[{claim: Data, path: /d}]", "'kubernetes.step.volumes.0.claim'"),
        ("step.volumes=[{claim: data, path: d}]", "'kubernetes.step.volumes.0.path'"),
        ("step.tolerations=[{operator: Equal}]", "operator 'Equal' needs a key"),
        ("step.tolerations=[{key: a, operator: Exists, value: b}]", "takes no value"),
        ("nodes.Finetuner.gpu=1", "'kubernetes.nodes.Finetuner.gpu' does not exist"),
        ("nodes.Finetuner=2", "'kubernetes.nodes.Finetuner'"),
        ("image_pull_policy=never", "'kubernetes.image_pull_policy': received 'never'"),
    ],
)
def test_wrong_setting_is_refused(override, said):
    with pytest.raises(InputError) as caught:
        _kubernetes(override)
    assert said in str(caught.value)
