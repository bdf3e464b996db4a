"""Presets, overrides, and the messages that a wrong setting gets."""

import re
import shlex

import pytest

import local_runner
from components.model_gate.policy.files import load_policy
from components.model_gate.policy.settings import GateSettings
from pipeline.config.config import PRESETS, dump_config, load_config, preset_names, setting_names
from schemas.errors import InputError
from trainer_modules.settings import UpstreamTraining


def _loadable(preset):
    """The least a user must add to a preset."""
    overrides = [] if preset == "demo" else ["data.root=/data/set"]
    return overrides + (["model.init.path=/w.npz"] if preset in ("cxr", "pathology") else [])


@pytest.mark.parametrize("preset", preset_names())
def test_every_preset_loads_and_round_trips(preset, tmp_path):
    config = load_config(preset=preset, overrides=_loadable(preset))
    saved = tmp_path / "config.yaml"
    saved.write_text(dump_config(config))
    assert load_config(path=str(saved)) == config


@pytest.mark.parametrize("preset", preset_names())
def test_every_preset_says_what_it_reproduces_costs_and_how_to_run_it(preset):
    header = (PRESETS / f"{preset}.yaml").read_text().split("name:")[0]
    assert "Reproduces:" in header
    assert "Cost:" in header
    assert "Command:" in header


@pytest.mark.parametrize("preset", [name for name in preset_names() if name != "demo"])
def test_every_presets_own_command_is_a_valid_configuration(preset):
    header = (PRESETS / f"{preset}.yaml").read_text().split("\nname:")[0]
    command = re.search(r"Command: +(.*)", header, re.DOTALL)[1].replace("\n#", " ")
    arguments = local_runner._parser().parse_args(shlex.split(command)[2:])
    assert arguments.preset == preset
    assert arguments.output
    config = load_config(preset=preset, overrides=arguments.set)
    assert config.data.root


def test_remedis_settings():
    config = load_config(preset="cxr", overrides=_loadable("cxr"))
    assert (config.model.family, config.model.depth, config.model.width) == ("bit", 50, 1)
    assert config.model.image_size == 224
    assert config.pretrain.augment.rotation_degrees == 45
    assert config.pretrain.augment.blur_probability == 0
    assert len(config.task.targets) == 5


def test_wide_backbone_by_settings():
    config = load_config(
        preset="cxr", overrides=[*_loadable("cxr"), "model.depth=152", "model.width=2"]
    )
    assert (config.model.depth, config.model.width) == (152, 2)


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("pretrain.epochs=3", 3),
        ("pretrain.optimizer.learning_rate=1e-3", 1e-3),
        ("task.labels=[a]", ("a",)),
        ("push.enabled=false", False),
        ("data.root=", ""),
    ],
)
def test_override(override, value):
    node = load_config(preset="demo", overrides=[override])
    for part in override.partition("=")[0].split("."):
        node = getattr(node, part)
    assert node == value


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("data.sorce=manifest", "'data.sorce' does not exist; nearest valid name: 'data.source'"),
        ("epochs=3", "'epochs' does not exist; nearest valid name: '"),
        ("pretrain.epochs=0", "'pretrain.epochs': received 0; input should be greater than"),
        ("pretrain.epochs=many", "'pretrain.epochs': received 'many'"),
        ("model.depth=51", "'model.depth': received 51; input should be 18, 34, 50, 101 or 152"),
        ("model.family=vit", "'model.family': received 'vit'"),
        ("data.source=manifest", "setting 'data': root is empty"),
        ("data.split.train=0.9", "sum to"),
        ("gate.in_distribution.min_auc=1.5", "less than or equal to 1"),
        ("gate.max_gap=.nan", "finite"),
        ("name=Demo", "'name': received 'Demo'"),
        ("pretrain", "give NAME=VALUE"),
        ("seed.x=1", "'seed' holds a value"),
        ("model.init.source=bit_npz", "need one"),
        ("model.family=saved_model", "family 'saved_model' with init.source 'random'"),
        (
            "model={family: saved_model, serving_precision: mixed_bfloat16, "
            "init: {source: saved_model, path: /models/cxr}}",
            "computes as it was exported",
        ),
        ("upstream.enabled=true", "setting 'upstream': task is missing"),
        ("upstream.image_size=16", "image_size 16: 32 or more"),
        ("upstream.data.source=manifest", "setting 'upstream.data': root is empty"),
        ("pretrain.pairs=case", "'pretrain.pairs': received 'case'; input should be 'view' or"),
        ("study.fractions=[0.1]", "1 must be among them"),
        ("study.fractions=[]", "with 1"),
        ("study.fractions=[0,1]", "greater than 0"),
        ("study.fractions=[1,1.5]", "less than or equal to 1"),
        ("study.fractions=[1,0.1,0.1]", "every value once"),
        ("study.shifted_fractions=[0.5]", "1 must be among them"),
        ("study.seeds=[]", "at least 1"),
        ("study.arms=[remedis]", "at least one of 'bit', 'random'"),
        ("study.arms=[remedis,imagenet]", "received 'imagenet'"),
        ("study.evaluation_share=1", "less than 1"),
        ("study.fractionz=[1]", "'study.fractions'"),
        ("distribution.strategy=tpu", "'tpu' needs a name"),
    ],
)
def test_wrong_setting_is_refused_with_what_is_accepted(override, expected):
    with pytest.raises(InputError, match=r"demo\.yaml|--set") as caught:
        load_config(preset="demo", overrides=[override])
    assert expected in str(caught.value)


def test_a_partial_override_of_a_preset_leaves_the_rest_of_the_section():
    plain = load_config(preset="cxr-small", overrides=["data.root=/d"])
    turned = load_config(
        preset="cxr-small", overrides=["data.root=/d", "finetune.augment.rotation_degrees=10"]
    )
    expected = plain.finetune.augment.model_dump() | {"rotation_degrees": 10}
    assert turned.finetune.augment.model_dump() == expected
    section = load_config(
        preset="cxr-small", overrides=["data.root=/d", "pretrain.optimizer={weight_decay: 0}"]
    )
    expected = plain.pretrain.optimizer.model_dump() | {"weight_decay": 0}
    assert section.pretrain.optimizer.model_dump() == expected


def test_another_kind_of_engine_takes_nothing_from_the_former(tmp_path):
    overrides = ["beam.runner=spark", "beam.master=spark://s:7077", "beam.rest_url=http://s:6066"]
    overrides += ["beam.job_server_jar=a.jar", "beam.image=r/n:1"]
    # Said in any order, what --set gives belongs to the kind that --set names.
    config = load_config(preset="demo", overrides=overrides[::-1])
    assert (config.beam.runner, config.beam.image) == ("spark", "r/n:1")
    saved = tmp_path / "config.yaml"
    saved.write_text(dump_config(config))
    dataflow = ["beam.workers=5", "beam.runner=dataflow", "beam.project=project"]
    dataflow += ["beam.region=europe-west4", "beam.temp_location=gs://b/t", "beam.image=r/other:1"]
    other = load_config(path=str(saved), overrides=dataflow)
    assert (other.beam.workers, other.beam.image) == (5, "r/other:1")
    assert load_config(path=str(saved), overrides=["beam.runner=in_memory"]).beam.model_dump() == {
        "runner": "in_memory"
    }


def test_a_mapping_of_the_users_is_replaced_or_changed_by_one_entry():
    bins = ["data.subgroups=[age,dose]", "data.subgroup_bins={age: [40], dose: [1]}"]
    assert set(load_config(preset="demo", overrides=bins).data.subgroup_bins) == {"age", "dose"}
    one = load_config(preset="demo", overrides=[*bins, "data.subgroup_bins.dose=[2]"])
    assert one.data.subgroup_bins == {"age": (40,), "dose": (2,)}
    none = load_config(preset="demo", overrides=[*bins, "data.subgroup_bins={}"])
    assert none.data.subgroup_bins == {}


def test_first_weights_come_from_one_place():
    upstream = ["upstream.enabled=true", "upstream.task.labels=[wheel]"]
    with pytest.raises(InputError, match=r"model\.init\.source 'bit_npz' would load others"):
        load_config(preset="cxr", overrides=[*_loadable("cxr"), *upstream])
    overrides = ["data.root=/data/set", "model.init.source=random", *upstream]
    config = load_config(preset="cxr", overrides=overrides)
    assert config.upstream.training.model_dump() == UpstreamTraining().model_dump()


def test_a_saved_model_as_it_is_takes_no_training_but_the_heads():
    overrides = [
        "model.family=saved_model",
        "model.init={source: saved_model, path: /models/cxr}",
    ]
    with pytest.raises(InputError, match=r"a frozen embedding, finetune\.mode 'full' would"):
        load_config(preset="demo", overrides=overrides)
    config = load_config(preset="demo", overrides=[*overrides, "finetune.mode=linear_probe"])
    assert config.model.family == "saved_model"


def test_micro_batches_are_refused_with_batch_norm():
    with pytest.raises(InputError, match="would see parts of the batch"):
        load_config(preset="cifar10", overrides=["data.root=/d", "pretrain.micro_batch=64"])


def test_every_wrong_setting_is_listed():
    with pytest.raises(InputError) as caught:
        load_config(preset="demo", overrides=["pretrain.epochs=0", "finetune.epochs=0"])
    assert "pretrain.epochs" in str(caught.value)
    assert "finetune.epochs" in str(caught.value)


def test_unknown_preset_names_the_nearest():
    with pytest.raises(InputError, match=r"'cxr-smal' does not exist; nearest .*'cxr-small'"):
        load_config(preset="cxr-smal")


@pytest.mark.parametrize("content", ["[1, 2]", "a: [", "\xff"])
def test_unusable_configuration_file(tmp_path, content):
    path = tmp_path / "c.yaml"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match=r"c\.yaml"):
        load_config(path=str(path))


def test_missing_configuration_file():
    with pytest.raises(InputError, match="can't be read"):
        load_config(path="nowhere.yaml")


def test_configuration_is_immutable():
    config = load_config(preset="demo")
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 3


def test_setting_names_are_those_that_set_accepts():
    names = setting_names()
    assert "pretrain.augment.crop_area" in names
    assert "gate.in_distribution.min_auc" in names
    assert "gate.in_distribution" not in names


def test_a_policy_file_gives_the_gates_rules(tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "max_gap: 0.1\nslices: [{domain: shifted, metric: auc/opacity, at_least: 0.8}]"
    )
    config = load_config(preset="demo", overrides=[f"gate={policy}", "gate.max_regression=0.02"])
    assert (config.gate.max_gap, config.gate.max_regression) == (0.1, 0.02)
    assert config.gate.slices[0].metric == "auc/opacity"
    # What the policy leaves out stays as the preset has it.
    assert (config.gate.in_distribution.min_auc, config.gate.shifted.min_auc) == (0.8, 0.6)
    (tmp_path / "run.yaml").write_text(
        f"{{name: x, task: {{labels: [opacity]}}, gate: '{policy}'}}"
    )
    config = load_config(path=str(tmp_path / "run.yaml"))
    assert (config.gate.max_gap, config.gate.shifted.min_auc) == (0.1, 0.65)
    policy.write_text("max_gapp: 0.1")
    with pytest.raises(InputError, match=r"nearest valid name: 'gate\.max_gap'"):
        load_config(preset="demo", overrides=[f"gate={policy}"])
    with pytest.raises(InputError, match=r"policy '.*nowhere.yaml' can't be read"):
        load_config(preset="demo", overrides=["gate=nowhere.yaml"])


@pytest.mark.parametrize("preset", preset_names())
def test_a_run_takes_a_policy_by_its_name(preset):
    given = _loadable(preset)
    config = load_config(preset=preset, overrides=[*given, "gate=clinical", "gate.max_gap=0.05"])
    assert config.gate.max_gap == 0.05
    alone = load_policy("clinical", serves=True)
    # Of a run's own: TFMA's thresholds, and how serving is checked.
    own = {"max_gap", "require_evaluator", *(n for n in GateSettings.model_fields if "serv" in n)}
    asked = (gate.model_dump(exclude=own) for gate in (config.gate, alone))
    assert next(asked) == next(asked)
    with pytest.raises(InputError, match="nearest valid name: 'clinical'"):
        load_config(preset=preset, overrides=[*given, "gate=clincal"])


def test_a_frozen_block_must_exist():
    freeze = ["finetune.mode=after_block", "finetune.after_block="]
    config = load_config(preset="demo", overrides=[freeze[0], freeze[1] + "3"])
    assert config.finetune.after_block == 3
    with pytest.raises(InputError, match="the backbone has 4 blocks; accepted are 0 to 3"):
        load_config(preset="demo", overrides=[freeze[0], freeze[1] + "4"])
