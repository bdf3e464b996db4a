"""What a Trainer was asked to do: the settings inside TFX's `fn_args`, checked, and its folders."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import pathlib
from collections.abc import Iterator
from typing import Any, Protocol

import keras
import tensorflow as tf
from absl import logging
from pydantic import ValidationError

from trainer_modules import checkpoint, precision
from trainer_modules.errors import InputError
from trainer_modules.settings import (
    FinetuneSettings,
    ModelSettings,
    PretrainSettings,
    TaskSettings,
    UpstreamTraining,
)

# XLA on CPUs has slow convolutions; the train steps stay on oneDNN's.
JIT_COMPILE = False
_SETTINGS = {
    "upstream": UpstreamTraining,
    "pretrain": PretrainSettings,
    "finetune": FinetuneSettings,
}


class FnArgs(Protocol):
    """The part of `tfx.components.FnArgs` that the trainers use (TFX itself is not imported)."""

    train_files: list[str]
    eval_files: list[str]
    base_model: str | None
    serving_model_dir: str
    model_run_dir: str
    hyperparameters: dict[str, Any] | None
    custom_config: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Stage:
    """One Trainer's work. `settings` is of the type that `name` has in `_SETTINGS`."""

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

    def checkpoints(self) -> checkpoint.CheckpointStore:
        """The store that belongs to these settings, this code and these input files."""
        patterns = [*self.train_files, *self.eval_files]
        names = sorted({name for pattern in patterns for name in tf.io.gfile.glob(pattern)})
        sizes = [(name, tf.io.gfile.stat(name).length) for name in names]
        settings = [self.name, self.custom_config["settings"], self._base_digests()]
        run = checkpoint.fingerprint(settings, self.custom_config["code_digest"], sizes)
        return checkpoint.CheckpointStore(self.checkpoint_root, f"{self.name}-{run}")

    def _base_digests(self) -> list[str]:
        """Content of the weights that training starts from: theirs all have the same size."""
        digests = []
        extra = pathlib.Path(self.base_model) / "assets.extra"
        for path in sorted(extra.glob("*.h5")) if self.base_model else ():
            with path.open("rb") as file:
                digests.append(hashlib.file_digest(file, "sha256").hexdigest())
        return digests


def read(fn_args: FnArgs, name: str) -> Stage:
    """Checks the settings that the pipeline passed to the Trainer."""
    config = fn_args.custom_config or {}
    missing = {"settings", "code_digest", "checkpoint_root"} - set(config)
    if missing:
        raise InputError(f"custom_config of the {name} Trainer lacks {sorted(missing)}")
    sections = config["settings"]
    try:
        return Stage(
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
        )
    except KeyError as error:
        raise InputError(
            f"custom_config.settings of the {name} Trainer lacks {error}; it holds task, model, "
            f"{name} and seed. Received: {sorted(sections)}"
        ) from error
    except ValidationError as error:
        raise InputError(f"custom_config.settings of the {name} Trainer: {error}") from error


@contextlib.contextmanager
def session(stage: Stage) -> Iterator[tf.distribute.Strategy]:
    """Seeds, precision and devices of a training; the precision does not outlive it."""
    stage.model_run_dir.mkdir(parents=True, exist_ok=True)
    with prepared(stage.name, stage.model, stage.settings.precision, stage.seed) as strategy:
        yield strategy


@contextlib.contextmanager
def prepared(
    name: str, model: ModelSettings, wanted_precision: str, seed: int
) -> Iterator[tf.distribute.Strategy]:
    """The same for a training that is no stage of the pipeline."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed % 2**32)
    policy = precision.resolve(
        wanted_precision,
        model,
        precision.machine_gpu_capabilities(),
        precision.machine_cpu_flags(),
    )
    before = keras.config.dtype_policy()
    strategy = machine_strategy()
    logging.info("%s: %s, %d replicas", name, policy, strategy.num_replicas_in_sync)
    keras.config.set_dtype_policy(policy)
    try:
        yield strategy
    finally:
        keras.config.set_dtype_policy(before)


def machine_strategy() -> tf.distribute.Strategy:
    """All GPUs of this machine as replicas when there are several."""
    several = len(tf.config.list_logical_devices("GPU")) > 1
    return tf.distribute.MirroredStrategy() if several else tf.distribute.get_strategy()


def batch_size(wanted: int, examples: int, strategy: tf.distribute.Strategy) -> int:
    """The batch size of the settings, less for few examples, divisible among the replicas."""
    replicas = strategy.num_replicas_in_sync
    if examples < replicas:
        raise InputError(f"{examples} examples for {replicas} replicas: each needs at least one")
    return max(replicas, min(wanted, examples) // replicas * replicas)
