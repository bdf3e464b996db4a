"""LARS, SGD and AdamW with SimCLR's exclusions, and schedules with warm-up."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import keras
from keras import ops

from trainer_modules.settings import OptimizerSettings

EXCLUDED_NAMES = ("bias", "gamma", "beta")
SUPERVISED_HEAD = "supervised_head"
"""Name of the classifier's last layer, which LARS does not adapt."""
Rate: TypeAlias = float | keras.optimizers.schedules.LearningRateSchedule


@keras.saving.register_keras_serializable("remedis")
class WarmupSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Linear from 0 to the peak over `warmup_steps`, then cosine to 0 at `total_steps` or flat."""

    def __init__(self, peak: float, warmup_steps: int, total_steps: int, shape: str = "cosine"):
        self.peak = peak
        self.warmup_steps = warmup_steps
        self.total_steps = total_steps
        self.shape = shape

    def __call__(self, step: keras.KerasTensor) -> keras.KerasTensor:
        step = ops.cast(step, "float32")
        rising = step / max(1, self.warmup_steps)
        after = ops.ones_like(step)
        if self.shape == "cosine":
            length = max(1, self.total_steps - self.warmup_steps)
            progress = ops.clip((step - self.warmup_steps) / length, 0.0, 1.0)
            after = 0.5 * (1.0 + ops.cos(math.pi * progress))
        return self.peak * ops.where(step < self.warmup_steps, rising, after)

    def get_config(self) -> dict[str, Any]:
        return {
            "peak": self.peak,
            "warmup_steps": self.warmup_steps,
            "total_steps": self.total_steps,
            "shape": self.shape,
        }


@keras.saving.register_keras_serializable("remedis")
class StepSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Linear from 0 to the peak over `warmup_steps`; times `factor` from each decay step on."""

    def __init__(
        self, peak: float, warmup_steps: int, decay_steps: Sequence[int], factor: float = 0.1
    ):
        self.peak = peak
        self.warmup_steps = warmup_steps
        self.decay_steps = tuple(decay_steps)
        self.factor = factor

    def __call__(self, step: keras.KerasTensor) -> keras.KerasTensor:
        step = ops.cast(step, "float32")
        rising = step / max(1, self.warmup_steps)
        decays = sum(ops.cast(step >= decay, "float32") for decay in self.decay_steps)
        after = ops.power(self.factor, decays)
        return self.peak * ops.where(step < self.warmup_steps, rising, after)

    def get_config(self) -> dict[str, Any]:
        return {
            "peak": self.peak,
            "warmup_steps": self.warmup_steps,
            "decay_steps": list(self.decay_steps),
            "factor": self.factor,
        }


@keras.saving.register_keras_serializable("remedis")
class DecayedSGD(keras.optimizers.Optimizer):
    """SGD with momentum whose weight decay is part of the gradient (L2), as in the papers.

    `keras.optimizers.SGD` decays outside the momentum, which is weaker by 1 / (1 - momentum).
    Biases and the scales and offsets of norms are not decayed. `rates` maps a variable's path to
    the factor of its learning rate; the default is 1.
    """

    def __init__(
        self,
        learning_rate: Rate = 0.1,
        momentum: float = 0.9,
        l2: float = 0.0,
        rates: Mapping[str, float] | None = None,
        name: str = "decayed_sgd",
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.momentum = momentum
        self.l2 = l2
        self.rates = dict(rates or {})

    def build(self, variables: list[keras.Variable]) -> None:
        if self.built:
            return
        super().build(variables)
        self.velocities = self.add_optimizer_variables(variables, "velocity")
        # Stored by position: under tf.distribute, `update_step` gets bare TensorFlow variables,
        # which have no Keras path.
        self.paths = [variable.path for variable in variables]
        self.factors = [self.rates.get(path, 1.0) for path in self.paths]

    def update_step(
        self,
        gradient: keras.KerasTensor,
        variable: keras.Variable,
        learning_rate: keras.KerasTensor,
    ) -> None:
        index = self._get_variable_index(variable)
        velocity, path = self.velocities[index], self.paths[index]
        weight = ops.convert_to_tensor(variable)
        learning_rate = self.factors[index] * ops.cast(learning_rate, variable.dtype)
        gradient = ops.cast(gradient, variable.dtype)
        if self.l2 and not excluded(path):
            gradient = gradient + self.l2 * weight
        step = learning_rate * self.trust(gradient, weight, path) * gradient
        step = self.momentum * ops.convert_to_tensor(velocity) + step
        self.assign(velocity, step)
        self.assign_sub(variable, step)

    def trust(
        self, gradient: keras.KerasTensor, weight: keras.KerasTensor, path: str
    ) -> keras.KerasTensor | float:
        """Factor of one variable's learning rate, given its decayed gradient."""
        return 1.0

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "momentum": self.momentum,
            "l2": self.l2,
            "rates": self.rates,
        }


@keras.saving.register_keras_serializable("remedis")
class LARS(DecayedSGD):
    """Layer-wise adaptive rate scaling (arXiv 1708.03888) as SimCLR uses it.

    The learning rate of each variable is multiplied by eeta * |w| / |g|, where g includes the
    decay. Biases and the parameters of norms (also of GroupNorm) are neither decayed nor adapted;
    layers whose path contains one of `not_adapted` are not adapted.
    """

    def __init__(
        self,
        learning_rate: Rate = 0.1,
        momentum: float = 0.9,
        l2: float = 0.0,
        rates: Mapping[str, float] | None = None,
        eeta: float = 1e-3,
        not_adapted: tuple[str, ...] = (SUPERVISED_HEAD,),
        name: str = "lars",
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, momentum, l2, rates, name=name, **kwargs)
        self.eeta = eeta
        self.not_adapted = tuple(not_adapted)

    def trust(
        self, gradient: keras.KerasTensor, weight: keras.KerasTensor, path: str
    ) -> keras.KerasTensor | float:
        if excluded(path) or any(part in path for part in self.not_adapted):
            return 1.0
        weight_norm = ops.sqrt(ops.sum(ops.square(weight)))
        gradient_norm = ops.sqrt(ops.sum(ops.square(gradient)))
        both = ops.logical_and(weight_norm > 0, gradient_norm > 0)
        safe = ops.where(both, gradient_norm, 1.0)
        return ops.where(both, self.eeta * weight_norm / safe, 1.0)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"eeta": self.eeta, "not_adapted": list(self.not_adapted)}


@keras.saving.register_keras_serializable("remedis")
class AdamW(keras.optimizers.Adam):
    """Adam with decoupled weight decay, except for biases and the parameters of norms.

    Keras' own AdamW decays all variables with one learning rate; here both the decay and the step
    use the variable's own rate (`rates`, as in `DecayedSGD`).
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        decoupled_decay: float = 0.0,
        rates: Mapping[str, float] | None = None,
        name: str = "adamw",
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.decoupled_decay = decoupled_decay
        self.rates = dict(rates or {})

    def build(self, variables: list[keras.Variable]) -> None:
        if self.built:
            return
        super().build(variables)
        paths = [variable.path for variable in variables]
        self.factors = [self.rates.get(path, 1.0) for path in paths]
        self.decays = [0.0 if excluded(path) else self.decoupled_decay for path in paths]

    def update_step(
        self,
        gradient: keras.KerasTensor,
        variable: keras.Variable,
        learning_rate: keras.KerasTensor,
    ) -> None:
        index = self._get_variable_index(variable)
        learning_rate = self.factors[index] * ops.cast(learning_rate, variable.dtype)
        if self.decays[index]:
            decayed = self.decays[index] * learning_rate * ops.convert_to_tensor(variable)
            self.assign_sub(variable, decayed)
        super().update_step(gradient, variable, learning_rate)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "decoupled_decay": self.decoupled_decay,
            "rates": self.rates,
        }


def excluded(path: str) -> bool:
    """Whether a path names a bias or a norm's parameter, which is neither decayed nor adapted."""
    return path.rsplit("/", 1)[-1] in EXCLUDED_NAMES


def peak_learning_rate(settings: OptimizerSettings, batch_size: int) -> float:
    """Learning rate after warm-up for a (global) batch size."""
    factor = {"none": 1.0, "linear": batch_size / 256, "sqrt": math.sqrt(batch_size)}
    return settings.learning_rate * factor[settings.scaling]


def build_schedule(
    settings: OptimizerSettings, batch_size: int, steps_per_epoch: int, epochs: int
) -> WarmupSchedule:
    """Schedule over `epochs`; a warm-up longer than the training is shortened to it."""
    total = steps_per_epoch * epochs
    warmup = min(round(settings.warmup_epochs * steps_per_epoch), total)
    return WarmupSchedule(
        peak_learning_rate(settings, batch_size), warmup, total, settings.schedule
    )


def build_optimizer(
    settings: OptimizerSettings,
    batch_size: int,
    steps_per_epoch: int,
    epochs: int,
    *,
    schedule: keras.optimizers.schedules.LearningRateSchedule | None = None,
    rates: Mapping[str, float] | None = None,
) -> keras.optimizers.Optimizer:
    """Builds the optimizer that the settings name, with its schedule.

    Args:
        settings: Name, learning rate and its scaling, momentum, decay, schedule.
        batch_size: Examples per update over all replicas and accumulated micro-batches.
        steps_per_epoch: Updates per epoch (after accumulation).
        epochs: Length of the training.
        schedule: Replaces the settings' own.
        rates: Factors of the learning rate by variable path; the default is 1.
    """
    schedule = schedule or build_schedule(settings, batch_size, steps_per_epoch, epochs)
    if settings.name == "adamw":
        return AdamW(schedule, settings.weight_decay, rates)
    kind = LARS if settings.name == "lars" else DecayedSGD
    return kind(schedule, settings.momentum, settings.weight_decay, rates)
