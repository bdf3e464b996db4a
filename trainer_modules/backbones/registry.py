"""The backbone that the settings describe: images in, pooled features out.

A new family is a module that declares a `Backbone`, and a line in `_BACKBONES`; its traits are in
`trainer_modules.settings.families`.
"""

from __future__ import annotations

from collections import Counter

import keras
from keras import layers

from trainer_modules.backbones import bit, simclr_resnet
from trainer_modules.backbones.backbone import Backbone, Part
from trainer_modules.settings import ModelSettings, families


def _load_frozen(
    images: keras.KerasTensor, model: ModelSettings, synchronized: bool
) -> keras.KerasTensor:
    # Imports TensorFlow; the other families use any backend of Keras.
    from trainer_modules.backbones.frozen_saved_model import load_frozen

    return load_frozen(model.init.path, model.image_size)(images)


_FROZEN = Backbone(families.SAVED_MODEL, _load_frozen, parts=lambda network, model: [])
_BACKBONES = {each.traits.name: each for each in (bit.BACKBONE, simclr_resnet.BACKBONE, _FROZEN)}


def register(backbone: Backbone) -> None:
    """Adds a family, for the settings, too."""
    families.FAMILIES[backbone.traits.name] = backbone.traits
    _BACKBONES[backbone.traits.name] = backbone


def build_backbone(model: ModelSettings, *, synchronized: bool = False) -> keras.Model:
    """Builds a network from float images [B, H, W, 3] in [0, 1] to float32 features [B, D].

    Height and width are free (32 or more), whatever `model.image_size`. The network rescales pixels
    to the range that the family's weights expect. The layers compute in Keras' global dtype
    policy.

    Args:
        model: Family, depth, width, stem; `units` and `root_filters` override the depth's.
        synchronized: Whether BatchNorm shares its statistics between replicas.

    Raises:
        InputError: The folder of family `saved_model` has no model that can be called on images.
    """
    backbone = _BACKBONES[model.family]
    images = keras.Input((None, None, model.channels), name="images", dtype="float32")
    outputs = images
    low, high = backbone.pixels
    if (low, high) != (0.0, 1.0):
        rescale = layers.Rescaling(high - low, offset=low, dtype="float32", name="rescale")
        outputs = rescale(images)
    outputs = backbone.build(outputs, model, synchronized)
    if len(outputs.shape) == 4:
        outputs = layers.GlobalAveragePooling2D(dtype="float32", name="features")(outputs)
    return keras.Model(images, outputs, name=f"{model.family}_backbone")


def parts(network: keras.Model, model: ModelSettings) -> list[Part]:
    """The network's parts from the input to the output; a network that can't be trained has none.

    Raises:
        ValueError: A variable is in no part, or in several.
    """
    found = _BACKBONES[model.family].parts(network, model)
    held = Counter(v.path for part in found for layer in part.layers for v in layer.variables)
    wrong = [v.path for v in network.variables if held[v.path] != 1]
    if wrong and model.traits.trained:
        raise ValueError(f"family '{model.family}': {wrong} must each be in exactly one part")
    return found
