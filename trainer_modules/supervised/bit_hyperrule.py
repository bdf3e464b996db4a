"""BiT-HyperRule (arXiv 1912.11370): finetuning settings from the image and training-set size.

Pure functions, free of TensorFlow. The rule requires a linear warm-up but does not specify its
length: here it is a fifth of the shortest schedule, and at most a twentieth of the others.
"""

from __future__ import annotations

from trainer_modules.settings import OptimizerSettings

SMALL_SIDE = 96
SMALL_RESOLUTION = (160, 128)
LARGE_RESOLUTION = (512, 480)

SMALL_TASK = 20_000
MEDIUM_TASK = 500_000
SMALL_STEPS, MEDIUM_STEPS, LARGE_STEPS = 500, 10_000, 20_000
SMALL_WARMUP, WARMUP = 100, 500

DECAY_AT = (0.3, 0.6, 0.9)
DECAY = 0.1

BATCH_SIZE = 512
MIXUP_FROM = 20_000
MIXUP_ALPHA = 0.1
OPTIMIZER = OptimizerSettings(
    name="sgd", learning_rate=0.003, scaling="none", momentum=0.9, weight_decay=0.0
)


def resolution(height: int, width: int) -> tuple[int, int]:
    """Side to which training images are resized, and side of the random crop."""
    return SMALL_RESOLUTION if height * width < SMALL_SIDE**2 else LARGE_RESOLUTION


def steps(examples: int) -> int:
    """Updates of the whole finetuning."""
    if examples < SMALL_TASK:
        return SMALL_STEPS
    return MEDIUM_STEPS if examples < MEDIUM_TASK else LARGE_STEPS


def warmup_steps(examples: int) -> int:
    """Updates of the linear warm-up, which the decays follow."""
    return SMALL_WARMUP if examples < SMALL_TASK else WARMUP


def decay_steps(examples: int) -> tuple[int, ...]:
    """Updates from which the learning rate is divided by ten once more."""
    return tuple(round(fraction * steps(examples)) for fraction in DECAY_AT)


def learning_rate(step: int, peak: float, examples: int) -> float:
    """Learning rate of an update (from 0)."""
    if step < warmup_steps(examples):
        return peak * step / warmup_steps(examples)
    return peak * DECAY ** sum(step >= decay for decay in decay_steps(examples))


def mixup_alpha(examples: int) -> float:
    """Parameter of mixup's Beta distribution; 0: no mixup."""
    return MIXUP_ALPHA if examples >= MIXUP_FROM else 0.0
