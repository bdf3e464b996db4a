"""Documented commands that cannot run in a test, why, and how they are parsed all the same."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import itertools
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from packaging.requirements import Requirement

from tests.docs.commands import ROOT

Parse = Callable[[list[str]], None]


@dataclasses.dataclass(frozen=True)
class Elsewhere:
    """Commands that match `pattern` in full."""

    pattern: str
    reason: str
    parse: Parse


def _settings(words: list[str]) -> None:
    """A run is configured as the command says, up to where it would start."""
    import local_runner
    from pipeline.config.config import load_config
    from pipeline.graph import beam_options

    arguments = local_runner._parser().parse_args(words[2:])
    with tempfile.NamedTemporaryFile(suffix=".jar") as jar:
        there = [f"beam.job_server_jar={jar.name}", "model.init.path=/weights.npz"]
        config = load_config(preset=arguments.preset, overrides=[*arguments.set, *there])
        beam_options.check_local(config.beam)
    assert beam_options.beam_pipeline_args(config.beam)


def _worker_pool(words: list[str]) -> None:
    from apache_beam.runners.worker import worker_pool_main

    started = mock.Mock(side_effect=KeyboardInterrupt)
    servicer = worker_pool_main.BeamFnExternalWorkerPoolServicer
    with mock.patch.object(servicer, "start", started), contextlib.suppress(KeyboardInterrupt):
        worker_pool_main.main(words[2:])
    assert started.call_args.kwargs["port"] == 50000


def _benchmarks(words: list[str]) -> None:
    with _arguments(words[2:]), mock.patch("subprocess.run") as run:
        run.return_value.returncode = 0
        from benchmarks import __main__ as benchmarks

        assert benchmarks.main() == 0
    assert run.call_count == len(words[3:])


def _parity(words: list[str]) -> None:
    from benchmarks import parity

    with _arguments(words[1:]), mock.patch("benchmarks.peers.available", return_value=False):
        assert parity.main() == 2


def _jax_peer(words: list[str]) -> None:
    absent = {name: mock.MagicMock() for name in ("jax", "jax.numpy", "keras")}
    ours = ("trainer_modules.backbones.registry", "trainer_modules.weights.initialization")
    absent |= {name: mock.MagicMock() for name in (*ours, "trainer_modules.contrastive.ntxent")}
    with mock.patch.dict(sys.modules, absent), mock.patch.dict("os.environ"):
        module = runpy.run_path(str(ROOT / words[1]), run_name="peer")
    parser: argparse.ArgumentParser = module["parser"]()
    assert parser.parse_args(words[2:]).run.__name__ == "speed"


def _arguments(words: list[str]) -> contextlib.AbstractContextManager:
    return mock.patch.object(sys, "argv", words)


def _requirements(words: list[str]) -> None:
    assert words[1] == "install"
    for one in words[2:]:
        Requirement(one)


def _requirements_file(words: list[str]) -> None:
    assert words[1:3] == ["install", "-r"]
    assert (ROOT / words[3]).exists()


def _script(words: list[str]) -> None:
    subprocess.run(["bash", "-n", words[0]], cwd=ROOT, check=True)


def _hooks(words: list[str]) -> None:
    command = [sys.executable, "-m", "pre_commit", "validate-config", ".pre-commit-config.yaml"]
    subprocess.run(command, cwd=ROOT, check=True)


def _dockerfile(words: list[str]) -> None:
    assert words[-1] == "."
    assert (ROOT / "Dockerfile").exists()


def _kubectl(words: list[str]) -> None:
    """kubectl is not here to parse it: every option has a value, and files were named before."""
    options = [word for word in words if word.startswith("--")]
    values = [b for a, b in itertools.pairwise(words) if a in options and "=" not in a]
    assert not any(value.startswith("--") for value in values)
    assert [Path(value).suffix for value in values if "." in value] in ([], [".yaml"])


PYTHON = r"(\.venv/bin/)?python "
ELSEWHERE = (
    Elsewhere(r".*local_runner\.py .*beam\.runner=flink.*", "needs a Flink cluster", _settings),
    Elsewhere(
        rf"{PYTHON}-m apache_beam\.runners\.worker\.worker_pool_main .*",
        "serves until it is stopped",
        _worker_pool,
    ),
    Elsewhere(rf"{PYTHON}-m benchmarks .*", "measures for minutes", _benchmarks),
    Elsewhere(rf"{PYTHON}benchmarks/parity\.py .*", "installs PyTorch or JAX", _parity),
    Elsewhere(r"\.setup/peer/bin/python .*jax_peer\.py .*", "needs JAX and a GPU", _jax_peer),
    Elsewhere(r"\.setup/peer/bin/pip .*", "installs JAX for GPUs", _requirements),
    Elsewhere(r"pip install -r .*", "installs packages", _requirements_file),
    Elsewhere(r"benchmarks/peer/setup_peer\.sh", "installs PyTorch", _script),
    Elsewhere(r"\.venv/bin/pre-commit install", "changes the checkout's hooks", _hooks),
    Elsewhere(r"docker build .*", "needs a container engine", _dockerfile),
    Elsewhere(r"kubectl .*", "needs a cluster", _kubectl),
)
