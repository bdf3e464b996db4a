"""One setting given is one setting changed: every leaf of every section, on every preset."""

import copy
import functools
import itertools
import json
import types
import typing

import pytest

from pipeline.config.config import RunConfig, load_config, preset_names
from schemas.errors import InputError
from trainer_modules.settings import files as settings_files
from trainer_modules.settings.merge import sections_of

PART = "[{role: in_distribution, source: chexpert, root: /other}]"
# What a valid value looks like where the type alone does not say it.
VALUES = {
    "data.image_folder.patient_pattern": "'(person[0-9]+)'",
    "data.intensity.rule": "minmax",
    "data.subgroup_bins": "{}",
    "data.subgroups": "[sex, age, view, ward]",
    "data_gate.anomaly_kinds": "{FLOAT_TYPE_SMALL_FLOAT: report}",
    "gate.operating_points": "[{name: screen, at_sensitivity: 0.95}]",
    "gate.prevalences": "[0.01, 0.1]",
    "push.public_key": "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3",
    "gate.slices": "[{domain: shifted, metric: auc, at_least: 0.5}]",
    "kubernetes.step.cpu": "3500m",
    "kubernetes.step.memory": "4Gi",
    "kubernetes.step.environment": "{WORKERS: '2'}",
    "kubernetes.step.secret_mounts": "[{secret: s, path: /s}]",
    "kubernetes.step.secret_variables": "[{secret: s, key: k, variable: V}]",
    "kubernetes.step.tolerations": "[{key: gpu}]",
    "kubernetes.step.volumes": "[]",
    "kubernetes.nodes": "{Finetuner: {gpus: 1}, Reporter: {cpu: 1}}",
    "kubernetes.workspace": "/other",
    "model.init.sha256": "a" * 64,
    "study.fractions": "[0.5, 1.0]",
    "study.shifted_fractions": "[0.5, 1.0]",
    "study.arms": "[random, remedis]",
}
# Leaves that go with others: all that is given, and so all that may change.
TOGETHER = {
    "task.kind": ("task.kind=multilabel", "task.labels=[a, b]", "task.classes=[]"),
    "task.labels": ("task.kind=multilabel", "task.labels=[a, b, c]", "task.classes=[]"),
    "task.classes": ("task.kind=multiclass", "task.labels=[a]", "task.classes=[x, y]"),
    "task.uncertain_by_label": (
        *("task.kind=multilabel", "task.labels=[a]", "task.classes=[]"),
        "task.uncertain_by_label={a: ones}",
    ),
    "data.source": ("data.source=chexpert", "data.root=/other"),
    "data.columns": ("data.source=manifest", "data.root=/other", "data.columns={image: path}"),
    "data.values": (
        *("data.source=manifest", "data.root=/other", "data.columns={}"),
        "data.values={other: {Positive: 1}}",
    ),
    "data.parts": ("data.source=combined", f"data.parts={PART}"),
    "data.subgroups": ("data.subgroups=[ward]", "data.subgroup_bins={}"),
    "data.subgroup_bins": ("data.subgroups=[ward]", "data.subgroup_bins={ward: [1.0]}"),
    "model.family": ("model.family=simclr", "model.units=[]", "model.depth=18"),
    "model.channels": (),  # no other value is accepted
    "model.init.source": ("model.init.source=encoder", "model.init.path=/other"),
    "model.init.path": ("model.init.source=encoder", "model.init.path=/other"),
    "upstream.enabled": (
        *("upstream.enabled=true", "upstream.task={labels: [x]}"),
        *("model.init.source=random", "model.init.path="),
    ),
    "upstream.task": ("upstream.task={labels: [x]}",),
    "upstream.image_size": ("upstream.image_size=64",),
    "gate.reuse.rule": ("gate.reuse.rule=planned", "gate.reuse.looks=3"),
    "gate.reuse.looks": ("gate.reuse.rule=planned", "gate.reuse.looks=4"),
    "pretrain.micro_batch": ("pretrain.micro_batch=8", "model.family=bit", "model.depth=50"),
    "finetune.mode": ("finetune.mode=after_block", "finetune.after_block=0"),
    "finetune.after_block": ("finetune.mode=after_block", "finetune.after_block=1"),
    "distribution.strategy": ("distribution.strategy=multi_worker",),
    "distribution.gpus": ("distribution.strategy=mirrored", "distribution.gpus=2"),
    "distribution.tpu": ("distribution.strategy=tpu", "distribution.tpu=local"),
    "beam.runner": ("beam.runner=multi_processing", "beam.workers=3"),
}
# BiT's weights fit no other family.
WITHOUT_WEIGHTS = (
    *("model.family=simclr", "model.units=[]", "model.depth=18"),
    *("model.init.source=random", "model.init.path="),
)
# The same for the presets that have those values already.
INSTEAD = {
    "cxr": {"task.kind": ("task.kind=binary", "task.labels=[a]"), "model.family": WITHOUT_WEIGHTS},
    "pathology": {"model.family": WITHOUT_WEIGHTS},
    "cifar10": {"model.family": ("model.family=bit", "model.depth=50")},
}
SLOW = pytest.mark.slow
PRESET = functools.cache(settings_files.read_mapping)


@pytest.fixture(autouse=True)
def read_once(monkeypatch):
    """Parsing a preset takes longer than all that is tested here."""
    monkeypatch.setattr(
        settings_files, "read_mapping", lambda *given: copy.deepcopy(PRESET(*given))
    )


def _leaves(model, prefix=""):
    """Dotted name and type of every leaf; what may be left out altogether is one leaf."""
    for name, field in model.model_fields.items():
        kinds = sections_of(field.annotation)
        if len(kinds) == 1 and field.default is not None:
            yield from _leaves(kinds[0], f"{prefix}{name}.")
        elif kinds and field.default is not None:
            yield f"{prefix}{name}.{field.discriminator}", str
        else:
            yield f"{prefix}{name}", field.annotation


def _flat(tree, prefix=""):
    """The dumped values by dotted name."""
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _alternatives(kind, value):
    """Other values of a type, the likeliest to be valid first, as one would write them."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        yield from _alternatives(inner[0], value)
    elif origin is typing.Literal:
        yield from (other for other in inner if other != value)
    elif origin is types.UnionType:
        yield from _alternatives(inner[0], value)
    elif kind is bool:
        yield not value
    elif kind is int:
        yield from ((value or 0) + 1, (value or 0) * 2, (value or 0) - 1, (value or 0) + 8)
    elif kind is float:
        yield from ((value or 0.0) * 0.75, (value or 0.0) / 2 + 0.25, (value or 1.0) * 1.5)
    elif kind is str:
        yield from ("other", "/other/place")
    elif origin is tuple and inner[-1] is not Ellipsis:
        low, high = value or (1, 2)
        yield [low * 0.9, high] if inner[0] is float else [low, high + 1]
    elif origin is tuple:
        yield value[:-1]
        yield [*value, *itertools.islice(_alternatives(inner[0], None), 1)]
        if typing.get_origin(inner[0]) is typing.Literal:
            yield from ([choice] for choice in typing.get_args(inner[0]))
    elif origin is dict:
        key = next(iter(typing.get_args(inner[0])), "one")
        yield {key: next(_alternatives(inner[1], None))}


def _base(preset):
    """The least that a user adds to a preset."""
    overrides = [] if preset == "demo" else ["data.root=/data/set"]
    return overrides + (["model.init.path=/w.npz"] if preset in ("cxr", "pathology") else [])


def _dump(preset, *overrides):
    return load_config(preset=preset, overrides=[*_base(preset), *overrides]).model_dump(
        mode="json"
    )


def _value(tree, name):
    return functools.reduce(lambda node, part: node[part], name.split("."), tree)


def _given(preset, name, kind, before):
    """Overrides that set the leaf, and what the configuration is then."""
    plain = name.removeprefix("upstream.") if name.startswith("upstream.data") else name
    if plain in TOGETHER:
        given = INSTEAD.get(preset, {}).get(name, TOGETHER[plain])
        given = given if plain == name else [f"upstream.{one}" for one in given]
        return given, _dump(preset, *given)
    value = _value(before, name)
    if ".split." in name and kind is float:
        other = name.rpartition(".")[0] + (".train" if name.endswith(".test") else ".test")
        given = [f"{name}={value + 0.05}", f"{other}={_value(before, other) - 0.05}"]
        return given, _dump(preset, *given)
    shown = VALUES.get(plain)
    others = (other for other in _alternatives(kind, value) if other != value)
    for other in [shown] if shown else map(json.dumps, others):
        try:
            return [f"{name}={other}"], _dump(preset, f"{name}={other}")
        except InputError:
            continue
    raise AssertionError(f"{name}: no other value than {value!r} was accepted; add one to VALUES")


@pytest.mark.parametrize(
    "preset",
    [name if name == "demo" else pytest.param(name, marks=SLOW) for name in preset_names()],
)
def test_a_setting_changes_itself_alone(preset):
    tree = _dump(preset)
    before = dict(_flat(tree))
    leaves = list(_leaves(RunConfig))
    assert len(leaves) > 250
    for name, kind in leaves:
        given, dumped = _given(preset, name, kind, tree)
        after = dict(_flat(dumped))
        changed = {leaf for leaf in before | after if before.get(leaf, ...) != after.get(leaf, ...)}
        named = tuple(one.partition("=")[0] for one in given)
        strange = {leaf for leaf in changed if not _within(leaf, named)}
        assert not strange, f"{given} also changed {sorted(strange)}"
        assert not given or any(_within(leaf, (name,)) for leaf in changed), f"{given}: no change"


def _within(leaf, names):
    return any(f"{leaf}.".startswith(f"{name}.") for name in names)
