"""What both trainers share: epochs that are logged, checkpointed, resumed and stopped."""

from __future__ import annotations

import dataclasses
import json
import math
import pathlib
import sys
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from trainer_modules import contact_sheet
from trainer_modules.checkpoint import Checkpoint, CheckpointStore
from trainer_modules.event_log import EventLog

# A line of stdout that begins with this is meant for the person who started the run.
PROGRESS_PREFIX = "[progress]"


@dataclasses.dataclass(frozen=True)
class Plan:
    """How long to train, and what decides which epoch's weights are kept.

    `merit` ranks epochs by their figures (larger is better); None: the last epoch is kept.
    `patience` epochs without a better one end the training; 0: never.
    """

    stage: str
    epochs: int
    steps: int
    batch_size: int
    merit: Callable[[dict[str, float]], tuple[float, ...]] | None = None
    patience: int = 0


@dataclasses.dataclass
class History:
    """What happened, epoch by epoch; written to `history.json`."""

    stage: str
    parameters: int
    epochs: list[dict[str, float]] = dataclasses.field(default_factory=list)
    resumed_from_epoch: int | None = None
    extra: dict[str, Any] = dataclasses.field(default_factory=dict)

    def write(self, folder: pathlib.Path) -> None:
        """Writes `history.json`; figures that are not finite become null."""
        content = {
            "stage": self.stage,
            "epochs": [{k: _finite(v) for k, v in epoch.items()} for epoch in self.epochs],
            "resumed_from_epoch": self.resumed_from_epoch,
            "parameters": self.parameters,
            **self.extra,
        }
        (folder / "history.json").write_text(json.dumps(content, indent=1))


def fit(
    model: keras.Model,
    make_data: Callable[[range], tf.data.Dataset],
    plan: Plan,
    store: CheckpointStore,
    folder: pathlib.Path,
    measure: Callable[[int], dict[str, float]] = lambda epoch: {},
) -> History:
    """Trains a built and compiled model, from its last checkpoint if there is one.

    Args:
        model: Ends with the weights of the best epoch (or the last, without `plan.merit`).
        make_data: Batches of the epochs of a range, as one stream.
        plan: Epochs, steps, selection.
        store: Where checkpoints are kept.
        folder: Where the history, a picture of the batches and TensorBoard's logs go.
        measure: Called with the epoch's number (from 1) when it ends; its figures are logged.

    Returns:
        The history, resumed epochs included.
    """
    model.optimizer.build(model.trainable_variables)
    recorder = _Recorder(plan, store, EventLog(folder), measure, model.count_params())
    recorder.set_model(model)
    recorder.restore()
    start = len(recorder.history.epochs)
    # One data set for the picture and the training: its functions are compiled once.
    data = make_data(range(min(start, plan.epochs - 1), plan.epochs))
    contact_sheet.write(data, folder)
    if start < plan.epochs and not recorder.patience_over():
        model.fit(
            data,
            initial_epoch=start,
            epochs=plan.epochs,
            steps_per_epoch=plan.steps,
            shuffle=False,
            verbose=0,
            callbacks=[_StopOnNan(), recorder],
        )
    recorder.keep_best_weights()
    recorder.history.write(folder)
    return recorder.history


def progress(text: str) -> None:
    """Says something to the person who started the run."""
    logging.info("%s", text)
    print(PROGRESS_PREFIX, text, file=sys.stdout, flush=True)


class _StopOnNan(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._epoch = epoch + 1

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        loss = (logs or {}).get("loss", 0.0)
        if not math.isfinite(loss):
            raise RuntimeError(
                f"the loss became {loss} in epoch {self._epoch}, step {batch + 1}: lower the "
                "learning rate, lengthen the warm-up or train in float32"
            )


class _Recorder(keras.callbacks.Callback):
    """At the end of an epoch: measures, logs, keeps the best weights and writes a checkpoint."""

    def __init__(
        self,
        plan: Plan,
        store: CheckpointStore,
        events: EventLog,
        measure: Callable[[int], dict[str, float]],
        parameters: int,
    ) -> None:
        super().__init__()
        self.history = History(plan.stage, parameters)
        self._plan = plan
        self._store = store
        self._events = events
        self._measure = measure
        self._best: list[np.ndarray] = []
        self._best_epoch = 0
        self._started = 0.0

    def restore(self) -> None:
        """Continues from the newest usable checkpoint."""
        variables = self._variables()
        shapes = {name: [v.shape for v in members] for name, members in variables.items()}
        found = self._store.latest(shapes)
        if found is None:
            return
        for name, members in variables.items():
            for variable, array in zip(members, found.arrays[name], strict=True):
                variable.assign(array)
        self.history.epochs = found.state["epochs"]
        self.history.resumed_from_epoch = len(self.history.epochs)
        self._best_epoch = found.state["best_epoch"]
        self._best = found.arrays.get("best", [])
        progress(f"{self._plan.stage} continues after epoch {len(self.history.epochs)}")

    def patience_over(self) -> bool:
        """True when the last `patience` epochs brought nothing better."""
        epochs_since = len(self.history.epochs) - self._best_epoch
        return bool(self._plan.patience) and epochs_since >= self._plan.patience

    def keep_best_weights(self) -> None:
        """Puts the best epoch's weights back into the model."""
        if not self._best:
            return
        for variable, array in zip(self.model.variables, self._best, strict=True):
            variable.assign(array)
        self.history.extra["best_epoch"] = self._best_epoch

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._started = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        seconds = time.monotonic() - self._started
        figures = {
            "loss": logs["loss"],
            **logs,
            "learning_rate": float(self.model.optimizer.learning_rate),
            "seconds": round(seconds, 3),
            "images_per_second": round(self._plan.steps * self._plan.batch_size / seconds, 2),
            **self._measure(epoch + 1),
        }
        self.history.epochs.append({"epoch": epoch + 1, **figures})
        self._update_best(epoch + 1, figures)
        self._save()
        self._events.scalars(figures, epoch + 1)
        self._report(epoch + 1, figures)
        if self.patience_over():
            progress(f"{self._plan.stage} stops early: best epoch {self._best_epoch}")
            self.model.stop_training = True

    def _update_best(self, epoch: int, figures: dict[str, float]) -> None:
        if self._plan.merit is None:
            return
        best = self.history.epochs[self._best_epoch - 1] if self._best_epoch else None
        if best is None or self._plan.merit(figures) > self._plan.merit(best):
            self._best_epoch = epoch
            self._best = _values(self.model.variables)

    def _save(self) -> None:
        arrays = {name: _values(members) for name, members in self._variables().items()}
        if self._best:
            arrays["best"] = self._best
        state = {"epochs": self.history.epochs, "best_epoch": self._best_epoch}
        self._store.save(len(self.history.epochs), Checkpoint(state, arrays))

    def _variables(self) -> dict[str, list[keras.Variable]]:
        return {"model": self.model.variables, "optimizer": self.model.optimizer.variables}

    def _report(self, epoch: int, figures: dict[str, float]) -> None:
        seconds = [e["seconds"] for e in self.history.epochs[-5:]]
        remaining = (self._plan.epochs - epoch) * sum(seconds) / len(seconds)
        named = [
            f"{name} {value:.4g}"
            for name, value in figures.items()
            if name not in ("seconds", "images_per_second")
        ]
        progress(
            f"{self._plan.stage} epoch {epoch}/{self._plan.epochs}  {'  '.join(named)}  "
            f"{figures['images_per_second']:.0f} images/s  eta {_duration(remaining)}"
        )


def _values(variables: list[keras.Variable]) -> list[np.ndarray]:
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s" if minutes else f"{rest}s"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
