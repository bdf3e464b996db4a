"""The task of one Trainer: the settings inside TFX's `fn_args`, validated, and its folders."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any, Protocol

import keras
import tensorflow as tf
from absl import logging
from pydantic import ValidationError

from schemas import model_files
from schemas.documents.cards import Ingestion
from schemas.errors import InputError
from trainer_modules.settings import (
    DistributionSettings,
    FinetuneSettings,
    ModelSettings,
    PretrainSettings,
    Settings,
    TaskSettings,
    UpstreamTraining,
)
from trainer_modules.training import checkpoint, distribution, precision

# XLA's convolutions are slow on CPUs; the train steps stay with those of oneDNN.
JIT_COMPILE = False
_SETTINGS: dict[str, type[Settings]] = {
    "upstream": UpstreamTraining,
    "pretrain": PretrainSettings,
    "finetune": FinetuneSettings,
}


class FnArgs(Protocol):
    """The part of `tfx.components.FnArgs` that the trainers use, without importing TFX."""

    train_files: list[str]
    eval_files: list[str]
    base_model: str | None
    serving_model_dir: str
    model_run_dir: str
    working_dir: str
    hyperparameters: dict[str, Any] | None
    custom_config: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Stage:
    """The work of one Trainer; `_SETTINGS` maps `name` to the type of `settings`.

    `ingestion` is only for the card of the exported model: it affects no training.

    If several processes train together, only the chief writes to TFX's folders and keeps
    checkpoints; `serving_model_dir` and `model_run_dir` of the others are temporary.
    """

    name: str
    task: TaskSettings
    model: ModelSettings
    settings: Any
    seed: int
    train_files: tuple[str, ...]
    eval_files: tuple[str, ...]
    base_model: str
    serving_model_dir: pathlib.Path
    model_run_dir: pathlib.Path
    checkpoint_root: str
    custom_config: dict[str, Any]
    distribution: DistributionSettings
    chief: bool
    ingestion: Ingestion | None = None

    def checkpoints(self) -> checkpoint.CheckpointStore:
        """The checkpoint store of these settings, this code and these input files."""
        patterns = [*self.train_files, *self.eval_files]
        names = sorted({name for pattern in patterns for name in tf.io.gfile.glob(pattern)})
        sizes = [(name, tf.io.gfile.stat(name).length) for name in names]
        settings = [self.name, self._deciding_settings(), self._base_digests()]
        run = checkpoint.run_digest(settings, self.custom_config["code_digest"], sizes)
        return checkpoint.CheckpointStore(
            self.checkpoint_root, f"{self.name}-{run}", read_only=not self.chief
        )

    def _deciding_settings(self) -> dict[str, Any]:
        """The settings, except those that may change when a run resumes."""
        return {
            name: {key: value for key, value in section.items() if key != "micro_batch"}
            if isinstance(section, dict)
            else section
            for name, section in self.custom_config["settings"].items()
        }

    def _base_digests(self) -> list[str]:
        """Digests of the initial weights, because files of weights all have the same size."""
        digests = []
        extra = (pathlib.Path(self.base_model) / model_files.WEIGHTS).parent
        for path in sorted(extra.glob("*.h5")) if self.base_model else ():
            with path.open("rb") as file:
                digests.append(hashlib.file_digest(file, "sha256").hexdigest())
        return digests


def read(fn_args: FnArgs, name: str) -> Stage:
    """Validates the settings that the pipeline passed to the Trainer."""
    config = fn_args.custom_config or {}
    missing = {"settings", "code_digest", "checkpoint_root"} - set(config)
    if missing:
        raise InputError(f"custom_config of the {name} Trainer lacks {sorted(missing)}")
    sections = config["settings"]
    chief = distribution.read_cluster(os.environ).chief
    try:
        stage = Stage(
            name=name,
            task=TaskSettings.model_validate(sections["task"]),
            model=ModelSettings.model_validate(sections["model"]),
            settings=_SETTINGS[name].model_validate(sections[name]),
            seed=int(sections["seed"]),
            train_files=tuple(fn_args.train_files),
            eval_files=tuple(fn_args.eval_files),
            base_model=fn_args.base_model or "",
            serving_model_dir=pathlib.Path(fn_args.serving_model_dir),
            model_run_dir=pathlib.Path(fn_args.model_run_dir),
            checkpoint_root=config["checkpoint_root"],
            custom_config=config,
            distribution=DistributionSettings.model_validate(config.get("distribution", {})),
            chief=chief,
            ingestion=_ingestion(config),
        )
    except KeyError as error:
        raise InputError(
            f"custom_config.settings of the {name} Trainer lacks {error}; it holds task, model, "
            f"{name} and seed. Received: {sorted(sections)}"
        ) from error
    except ValidationError as error:
        raise InputError(f"custom_config.settings of the {name} Trainer: {error}") from error
    if chief:
        return stage
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{name}-worker-"))
    return dataclasses.replace(
        stage, serving_model_dir=folder / "model", model_run_dir=folder / "run"
    )


def _ingestion(config: dict[str, Any]) -> Ingestion | None:
    told = config.get("ingestion")
    return None if told is None else Ingestion.model_validate(told)


@contextlib.contextmanager
def session(stage: Stage) -> Iterator[tf.distribute.Strategy]:
    """Sets seeds, precision and devices for a training, and restores the precision after it."""
    stage.model_run_dir.mkdir(parents=True, exist_ok=True)
    try:
        with prepared(
            stage.name, stage.model, stage.settings.precision, stage.seed, stage.distribution
        ) as strategy:
            yield strategy
    finally:
        if not stage.chief:
            shutil.rmtree(stage.model_run_dir.parent, ignore_errors=True)


@contextlib.contextmanager
def prepared(
    name: str,
    model: ModelSettings,
    wanted_precision: str,
    seed: int,
    devices: DistributionSettings | None = None,
) -> Iterator[tf.distribute.Strategy]:
    """The same for a training that is not a stage of the pipeline."""
    keras.backend.clear_session()
    strategy = distribution.create(devices, os.environ) if devices else machine_strategy()
    keras.utils.set_random_seed(seed % 2**32)
    policy = precision.resolve(
        wanted_precision,
        model,
        precision.machine_gpu_capabilities(),
        precision.machine_cpu_flags(),
    )
    before = keras.config.dtype_policy()
    logging.info("%s: %s, %d replicas", name, policy, strategy.num_replicas_in_sync)
    keras.config.set_dtype_policy(policy)
    try:
        yield strategy
    finally:
        keras.config.set_dtype_policy(before)


def machine_strategy() -> tf.distribute.Strategy:
    """The devices of this machine or of TF_CONFIG, if no settings name others."""
    return distribution.create(DistributionSettings(), os.environ)


def batch_size(wanted: int, examples: int, strategy: tf.distribute.Strategy) -> int:
    """The configured batch size, reduced for few examples, and divisible by the replicas."""
    replicas = strategy.num_replicas_in_sync
    if examples < replicas:
        raise InputError(f"{examples} examples for {replicas} replicas: each needs at least one")
    return max(replicas, min(wanted, examples) // replicas * replicas)
