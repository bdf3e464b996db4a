"""What a family of backbones declares about itself, besides its traits for the settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import keras

from trainer_modules.settings import ModelSettings
from trainer_modules.settings.families import Traits


class Part(NamedTuple):
    """A layer as finetuning counts them, frozen and decayed as one: the root, or a residual unit.

    Attributes:
        block: Number of the block that it lies in; 0 before the first one.
        layers: Its Keras layers.
    """

    block: int
    layers: Sequence[keras.layers.Layer]


@dataclasses.dataclass(frozen=True)
class Backbone:
    """How the networks of a family are built, and their parts.

    Attributes:
        traits: What the settings must know.
        build: Takes symbolic images [B, H, W, 3], the settings, and whether BatchNorm shares its
            statistics between replicas. Returns the last feature map [B, h, w, D], or
            features [B, D] in float32.
        parts: Returns all parts of a network, from the input to the output.
        pixels: Darkest and brightest value that `build` expects.
    """

    traits: Traits
    build: Callable[[keras.KerasTensor, ModelSettings, bool], keras.KerasTensor]
    parts: Callable[[keras.Model, ModelSettings], list[Part]]
    pixels: tuple[float, float] = (0.0, 1.0)
