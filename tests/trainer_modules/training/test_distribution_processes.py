"""Two processes that train together on loopback do what one does with the joined batch."""

import json
import os
import pathlib
import socket
import subprocess
import sys
import types

import pytest

from tests.trainer_modules import tiny_data
from trainer_modules import pretrain

pytestmark = pytest.mark.slow

# Argument: file of fn_args. A checkpoint after every step, for which the processes must agree.
RUN = """
import json, sys, types
from trainer_modules import pretrain
from trainer_modules.training import loop
loop.CHECKPOINT_SECONDS = 0
pretrain.run_fn(types.SimpleNamespace(**json.loads(open(sys.argv[1]).read())))
"""
PROCESSES = 2
SECONDS = 400


def start(arguments: pathlib.Path) -> list[subprocess.Popen]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(PROCESSES)]
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    started = []
    for index in range(PROCESSES):
        task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        environment = dict(
            os.environ,
            TF_CONFIG=json.dumps(task),
            TF_CPP_MIN_LOG_LEVEL="2",
            PYTHONPATH=str(tiny_data.REPOSITORY),
            TMPDIR=str(arguments.parent / f"temporary-{index}"),
        )
        pathlib.Path(environment["TMPDIR"]).mkdir(exist_ok=True)
        with (arguments.parent / f"{index}.log").open("w") as log:
            command = [sys.executable, "-c", RUN, str(arguments)]
            started.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
    return started


def prepare(folder: pathlib.Path) -> pathlib.Path:
    """Data and arguments of a run: 3 steps an epoch, and a number of images that is odd."""
    task = tiny_data.BINARY
    args = tiny_data.fn_args(
        folder,
        "pretrain",
        task,
        tiny_data.PRETRAIN | {"probe_epochs": 1},
        tiny_data.write_split(folder / "Split-train", task, 49),
        tiny_data.write_split(folder / "Split-validation", task, 25, 1),
    )
    (folder / "arguments.json").write_text(json.dumps(vars(args)))
    return folder / "arguments.json"


def test_two_processes_give_the_losses_of_one_and_the_chief_alone_exports(tmp_path):
    alone, together = (prepare(tmp_path / name) for name in ("alone", "together"))
    processes = start(together)
    pretrain.run_fn(types.SimpleNamespace(**json.loads(alone.read_text())))
    statuses = [process.wait(SECONDS) for process in processes]
    logs = [(together.parent / f"{index}.log").read_text() for index in range(PROCESSES)]
    assert statuses == [0, 0], logs

    one, two = (
        json.loads((path.parent / "pretrain" / "run" / "history.json").read_text())
        for path in (alone, together)
    )
    assert len(one["epochs"]) == len(two["epochs"]) == 2
    for epoch, other in zip(one["epochs"], two["epochs"], strict=True):
        for name in ("loss", "contrastive_top1", "entropy", "learning_rate", "probe_auc"):
            assert other[name] == pytest.approx(epoch[name], rel=1e-3), name
    assert (together.parent / "pretrain" / "Format-Serving" / "saved_model.pb").is_file()
    assert "[progress]" in logs[0]
    assert not list((together.parent / "temporary-1").glob("pretrain-worker-*"))
    assert not list((together.parent / "checkpoints").iterdir())
