"""A run killed between epochs and started again ends as an uninterrupted one does."""

import json
import os
import pathlib
import signal
import subprocess
import sys

import h5py
import numpy as np
import pytest

from tests.made_documents import encoder_card
from tests.trainer_modules import tiny_data
from trainer_modules import export, finetune, pretrain
from trainer_modules.backbones import registry
from trainer_modules.settings import ModelSettings

pytestmark = pytest.mark.slow

# Three micro-batches to a batch, the last of them smaller.
IN_PARTS = tiny_data.PRETRAIN | {"micro_batch": 6}
# Arguments: folder with fn_args.json, name of the stage, step after which to be killed.
RUN = """
import importlib, json, os, pathlib, signal, sys, types
from trainer_modules.training import checkpoint, loop
loop.CHECKPOINT_SECONDS = 0
folder, stage, fatal = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
save = checkpoint.CheckpointStore.save
def save_and_die(self, position, state):
    save(self, position, state)
    if position == fatal:
        os.kill(os.getpid(), signal.SIGKILL)
checkpoint.CheckpointStore.save = save_and_die
args = json.loads((folder / f"{stage}.json").read_text())
importlib.import_module(f"trainer_modules.{stage}").run_fn(types.SimpleNamespace(**args))
"""


def run_and_kill(folder: pathlib.Path, stage: str, step: int) -> None:
    environment = dict(os.environ, TF_CPP_MIN_LOG_LEVEL="2", PYTHONPATH=str(tiny_data.REPOSITORY))
    command = [sys.executable, "-c", RUN, str(folder), stage, str(step)]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


def outcome(folder: pathlib.Path, stage: str) -> tuple[dict, list[np.ndarray]]:
    """History without what differs by nature, and the exported weights."""
    history = json.loads((folder / stage / "run" / "history.json").read_text())
    for epoch in history["epochs"]:
        del epoch["seconds"], epoch["images_per_second"]
    weights: list[np.ndarray] = []
    path = folder / stage / "Format-Serving" / "assets.extra" / "encoder.weights.h5"
    with h5py.File(path) as file:
        file.visititems(
            lambda _, item: weights.append(item[()]) if isinstance(item, h5py.Dataset) else None
        )
    return history, weights


# Three steps an epoch. Pretraining breaks off in the second epoch, and its newest checkpoint is
# damaged as well, so that the one before it serves; finetuning ends with its second epoch.
@pytest.mark.parametrize(
    ("stage", "killed_after", "damaged", "whole_epochs"),
    [("pretrain", 5, True, 1), ("finetune", 6, False, 2)],
)
def test_killed_run_continues_to_the_same_result(
    tmp_path, encoder, stage, killed_after, damaged, whole_epochs
):
    trainer = {"pretrain": pretrain, "finetune": finetune}[stage]
    settings = {"pretrain": IN_PARTS, "finetune": tiny_data.FINETUNE}[stage]
    whole, killed = (tmp_path / name for name in ("whole", "killed"))
    arguments = [
        prepare(folder, stage, settings | {"epochs": 3}, encoder) for folder in (whole, killed)
    ]
    trainer.run_fn(arguments[0])
    run_and_kill(killed, stage, killed_after)
    (left,) = (killed / "checkpoints").iterdir()
    if damaged:
        newest = max(left.iterdir())
        newest.write_bytes(newest.read_bytes()[:-100])
    trainer.run_fn(arguments[1])
    (history, weights), (resumed, resumed_weights) = (
        outcome(folder, stage) for folder in (whole, killed)
    )
    assert history.pop("resumed_from_epoch") is None
    assert resumed.pop("resumed_from_epoch") == whole_epochs
    assert json.dumps(history, sort_keys=True) == json.dumps(resumed, sort_keys=True)
    assert len(weights) == len(resumed_weights) > 10
    for one, other in zip(weights, resumed_weights, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not list((killed / "checkpoints").iterdir())


def prepare(folder: pathlib.Path, stage: str, settings: dict, encoder: str):
    """Writes data and arguments of a run."""
    task = tiny_data.BINARY
    args = tiny_data.fn_args(
        folder,
        stage,
        task,
        settings,
        tiny_data.write_split(folder / "Split-train", task, 48),
        tiny_data.write_split(folder / "Split-validation", task, 24, 1),
        base_model=encoder if stage == "finetune" else None,
    )
    (folder / f"{stage}.json").write_text(json.dumps(vars(args)))
    return args


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> str:
    """An exported encoder with random weights."""
    folder = tmp_path_factory.mktemp("encoder")
    network = registry.build_backbone(ModelSettings.model_validate(tiny_data.MODEL))
    export.export_encoder(network, folder, encoder_card(**tiny_data.MODEL))
    return str(folder)
