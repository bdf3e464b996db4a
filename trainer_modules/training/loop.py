"""The training loop of all trainers: logs, checkpoints, resumes and stops epochs."""

from __future__ import annotations

import dataclasses
import math
import pathlib
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from schemas.documents.history import Epoch, TrainingHistory
from schemas.errors import Diverged, InputError
from trainer_modules.training import augmentation_grid, distribution
from trainer_modules.training.checkpoint import Checkpoint, CheckpointStore
from trainer_modules.training.event_log import EventLog
from trainer_modules.training.progress import progress

# Checkpoints are written at the end of every epoch, and this often within long ones.
CHECKPOINT_SECONDS = 600.0


@dataclasses.dataclass(frozen=True)
class Plan:
    """How long to train, and what decides which epoch's weights are kept.

    `selection_score` ranks epochs by their metrics (larger is better; None: not eligible). Without
    it, or if no epoch has a score, the last epoch is kept. `patience` epochs without improvement
    end the training; 0: never.
    """

    stage: str
    epochs: int
    steps: int
    batch_size: int
    selection_score: Callable[[dict[str, float]], tuple[float, ...] | None] | None = None
    patience: int = 0


@dataclasses.dataclass
class History:
    """The metrics of every epoch; `best_epoch` is the one whose weights were kept."""

    stage: str
    parameters: int
    epochs: list[dict[str, float]] = dataclasses.field(default_factory=list)
    resumed_from_epoch: int | None = None
    best_epoch: int | None = None

    @property
    def kept(self) -> dict[str, float]:
        """Metrics of the epoch whose weights were kept: the best, or else the last."""
        return self.epochs[(self.best_epoch or 0) - 1]

    def write(self, folder: pathlib.Path) -> None:
        """Writes `history.json`."""
        TrainingHistory(
            stage=self.stage,
            epochs=tuple(Epoch(**metrics) for metrics in self.epochs),
            resumed_from_epoch=self.resumed_from_epoch,
            parameters=self.parameters,
            best_epoch=self.best_epoch,
        ).write(folder)


def fit(
    model: keras.Model,
    make_data: Callable[[range, int], tf.data.Dataset],
    plan: Plan,
    store: CheckpointStore,
    folder: pathlib.Path,
    measure: Callable[[int], dict[str, float]] = lambda epoch: {},
) -> History:
    """Trains a built and compiled model, from its last checkpoint if there is one.

    Args:
        model: Ends with the weights of the best epoch (without a selection score: the last).
        make_data: Makes one stream of batches of a range of epochs, skipping the first so many.
        plan: Epochs, steps, selection.
        store: Where checkpoints are kept.
        folder: For the history, the augmentation grid and TensorBoard's logs.
        measure: Called with the epoch's number (from 1) when it ends; returns metrics to log.

    Returns:
        The history, resumed epochs included.
    """
    with model.distribute_strategy.scope():
        model.optimizer.build(model.trainable_variables)
    distribution.let_processes_agree_on_logs(model)
    recorder = _Recorder(plan, store, EventLog(folder), measure, model)
    epoch, step = recorder.restore()
    # One data set for the grid and the training, so its functions are compiled once.
    data = make_data(range(min(epoch, plan.epochs - 1), plan.epochs), step)
    augmentation_grid.write(data, folder)
    if step:
        _train(model, data, range(epoch, epoch + 1), plan.steps - step, [recorder])
        epoch += 1
        data = make_data(range(min(epoch, plan.epochs - 1), plan.epochs), 0)
    if not recorder.finished():
        _train(model, data, range(epoch, plan.epochs), plan.steps, [recorder])
    recorder.keep_best_weights()
    recorder.history.write(folder)
    return recorder.history


def _train(
    model: keras.Model,
    data: tf.data.Dataset,
    epochs: range,
    steps: int,
    callbacks: list[keras.callbacks.Callback],
) -> None:
    model.fit(
        data,
        initial_epoch=epochs.start,
        epochs=epochs.stop,
        steps_per_epoch=steps,
        shuffle=False,
        verbose=0,
        callbacks=callbacks,
    )


class _Recorder(keras.callbacks.Callback):
    """Checks the loss, measures and logs each epoch, keeps the best weights, writes checkpoints.

    Steps are counted within an epoch, including those before a resumption. If several processes
    train together, all of them read their variables at the same steps: some reads are collective.
    """

    def __init__(
        self,
        plan: Plan,
        store: CheckpointStore,
        events: EventLog,
        measure: Callable[[int], dict[str, float]],
        model: keras.Model,
    ) -> None:
        super().__init__()
        self.set_model(model)
        self.history = History(plan.stage, model.count_params())
        self._plan = plan
        self._store = store
        self._events = events
        self._measure = measure
        self._consensus = distribution.Consensus(model.distribute_strategy)
        self._best: list[np.ndarray] = []
        self._best_epoch = 0
        self._resumed: Checkpoint | None = None
        self._first_step = 0
        self._epoch_started = self._saved = time.monotonic()

    def restore(self) -> tuple[int, int]:
        """Continues from the newest usable checkpoint; returns epochs and steps done."""
        variables = self._variables()
        shapes = {name: [v.shape for v in members] for name, members in variables.items()}
        found = self._store.latest(shapes)
        if found is not None and found.state["batch_size"] != self._plan.batch_size:
            logging.warning(
                "Skipping a checkpoint with batch size %s; the batch size is now %s.",
                found.state["batch_size"],
                self._plan.batch_size,
            )
            found = None
        self._check_position(found)
        if found is None:
            return 0, 0
        for name in ("model", "optimizer"):
            _assign(variables[name], found.arrays[name])
        self.history.epochs = found.state["epochs"]
        self.history.resumed_from_epoch = epoch = len(self.history.epochs)
        self._best_epoch = found.state["best_epoch"]
        self._best = found.arrays.get("best", [])
        step = found.state["step"]
        self._resumed = found if step else None
        progress(f"{self._plan.stage} resumes after epoch {epoch}, step {step}")
        return epoch, step

    def _check_position(self, found: Checkpoint | None) -> None:
        """Refuses to continue if the processes that train together are at different steps."""
        position = -1 if found is None else self._position(found.state)
        positions = self._consensus.of_all(np.array([position], np.float64))
        if (positions != position).any():
            raise InputError(
                f"the processes that train together found checkpoints of steps "
                f"{sorted(set(positions[:, 0].astype(int).tolist()))} (-1: none); the folder of "
                "checkpoints must be one that all of them see"
            )

    def finished(self) -> bool:
        """True if no epoch is left, or the last `patience` epochs brought no improvement."""
        done = len(self.history.epochs)
        patience = self._plan.patience
        stale = bool(patience) and done - self._best_epoch >= patience
        return stale or done >= self._plan.epochs

    def keep_best_weights(self) -> None:
        """Restores the weights of the best epoch."""
        if not self._best:
            return
        _assign(self.model.variables, self._best)
        self.history.best_epoch = self._best_epoch

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._epoch_started, self._first_step = time.monotonic(), 0
        if self._resumed is not None:
            # Keras has just reset the running means; restore those of the interrupted epoch.
            _assign(self.model.metrics_variables, self._resumed.arrays["metrics"])
            self._epoch_started -= self._resumed.state["seconds"]
            self._first_step = self._resumed.state["step"]
            self._resumed = None

    def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
        step = self._first_step + batch + 1
        if not math.isfinite(logs["loss"]):
            raise Diverged(
                f"the loss became {logs['loss']} in epoch {len(self.history.epochs) + 1}, step "
                f"{step}: lower the learning rate, lengthen the warm-up or train in float32"
            )
        if step < self._plan.steps:
            due = time.monotonic() - self._saved >= CHECKPOINT_SECONDS
            if self._consensus.of_chief(np.array([due], np.float64))[0]:
                self._save(step)

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        seconds = time.monotonic() - self._epoch_started
        metrics = {
            "loss": logs["loss"],
            **logs,
            "learning_rate": float(self.model.optimizer.learning_rate),
            "seconds": round(seconds, 3),
            "images_per_second": round(self._plan.steps * self._plan.batch_size / seconds, 2),
            **self._measured(epoch + 1),
        }
        self.history.epochs.append({"epoch": epoch + 1, **metrics})
        self._update_best()
        self._save(0)
        self._events.scalars(metrics, epoch + 1)
        self._report(epoch + 1, metrics)
        if self.finished():
            self.model.stop_training = True

    def _measured(self, epoch: int) -> dict[str, float]:
        """The chief's metrics, which decide which epoch is kept and when to stop."""
        metrics = self._measure(epoch)
        values = self._consensus.of_chief(np.array(list(metrics.values()), np.float64))
        return dict(zip(metrics, values.tolist(), strict=True))

    def _update_best(self) -> None:
        epoch = self.history.epochs[-1]
        score_of = self._plan.selection_score
        score = score_of(epoch) if score_of else None
        if score_of is None or score is None:
            return
        best = score_of(self.history.epochs[self._best_epoch - 1]) if self._best_epoch else None
        if best is None or score > best:
            self._best_epoch = len(self.history.epochs)
            self._best = _values(self.model.variables)

    def _save(self, step: int) -> None:
        arrays = {name: _values(members) for name, members in self._variables().items()}
        if self._best:
            arrays["best"] = self._best
        state = {
            "epochs": self.history.epochs,
            "best_epoch": self._best_epoch,
            "step": step,
            "batch_size": self._plan.batch_size,
            "seconds": time.monotonic() - self._epoch_started,
        }
        self._store.save(self._position(state), Checkpoint(state, arrays))
        self._saved = time.monotonic()

    def _position(self, state: dict[str, Any]) -> int:
        """Steps since the training began."""
        return len(state["epochs"]) * self._plan.steps + state["step"]

    def _variables(self) -> dict[str, list[keras.Variable]]:
        return {
            "model": self.model.variables,
            "optimizer": self.model.optimizer.variables,
            "metrics": self.model.metrics_variables,
        }

    def _report(self, epoch: int, metrics: dict[str, float]) -> None:
        seconds = [e["seconds"] for e in self.history.epochs[-5:]]
        remaining = (self._plan.epochs - epoch) * sum(seconds) / len(seconds)
        named = [
            f"{name} {value:.4g}"
            for name, value in metrics.items()
            if name not in ("seconds", "images_per_second")
        ]
        progress(
            f"{self._plan.stage} epoch {epoch}/{self._plan.epochs}  {'  '.join(named)}  "
            f"{metrics['images_per_second']:.0f} images/s  eta {_duration(remaining)}"
        )


def _assign(variables: list[keras.Variable], arrays: list[np.ndarray]) -> None:
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def _values(variables: list[keras.Variable]) -> list[np.ndarray]:
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s" if minutes else f"{rest}s"
