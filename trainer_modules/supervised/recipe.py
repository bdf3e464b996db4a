"""Length, batch, optimizer and mixup of a finetuning, once the training set's size is known."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import keras

from trainer_modules.settings import FinetuneSettings, OptimizerSettings
from trainer_modules.supervised import bit_hyperrule
from trainer_modules.training import optimizers

HYPERRULE_ROUNDS = 20
"""The rule counts updates, not epochs: validation runs this often during them."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Settings of one finetuning.

    Attributes:
        epochs: Rounds, each of which ends with a validation.
        steps: Updates per round: one pass through the training set, or a fraction of the rule's.
        batch_size: Examples per update.
        optimizer: Name, rates, decay.
        schedule: Learning rate by update.
        mixup: Alpha of mixup's Beta distribution; 0: none.
    """

    epochs: int
    steps: int
    batch_size: int
    optimizer: OptimizerSettings
    schedule: keras.optimizers.schedules.LearningRateSchedule
    mixup: float

    @property
    def total_steps(self) -> int:
        """Updates in the whole finetuning."""
        return self.epochs * self.steps


def wanted_batch_size(settings: FinetuneSettings) -> int:
    """Batch size before it is fitted to the training set and the replicas."""
    hyperrule = settings.recipe == "bit_hyperrule"
    return bit_hyperrule.BATCH_SIZE if hyperrule else settings.batch_size


def resolve(
    settings: FinetuneSettings,
    examples: int,
    batch_size: int,
    steps_per_pass: int,
    chosen: Mapping[str, float],
) -> Recipe:
    """Applies the settings, or the HyperRule if they request it.

    Args:
        settings: The stage's settings.
        examples: Labeled training examples.
        batch_size: Examples per update.
        steps_per_pass: Updates in one pass through the training set.
        chosen: The result of a search: `learning_rate`, `weight_decay`; empty without one.
    """
    if settings.recipe == "explicit":
        optimizer = settings.optimizer.model_copy(update=dict(chosen))
        schedule = optimizers.build_schedule(optimizer, batch_size, steps_per_pass, settings.epochs)
        return Recipe(
            settings.epochs, steps_per_pass, batch_size, optimizer, schedule, settings.mixup
        )
    optimizer = bit_hyperrule.OPTIMIZER.model_copy(update=dict(chosen))
    return Recipe(
        HYPERRULE_ROUNDS,
        bit_hyperrule.steps(examples) // HYPERRULE_ROUNDS,
        batch_size,
        optimizer,
        optimizers.StepSchedule(
            optimizer.learning_rate,
            bit_hyperrule.warmup_steps(examples),
            bit_hyperrule.decay_steps(examples),
            bit_hyperrule.DECAY,
        ),
        bit_hyperrule.mixup_alpha(examples),
    )
