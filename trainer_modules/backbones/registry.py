"""The backbone that the settings describe: images in, pooled features out."""

from __future__ import annotations

import keras
from keras import layers

from trainer_modules.backbones import bit, simclr_resnet
from trainer_modules.settings import ModelSettings


def build_backbone(model: ModelSettings, *, synchronized: bool = False) -> keras.Model:
    """Builds a network from float images [B, H, W, 3] in [0, 1] to float32 features [B, D].

    Height and width are free (32 or more), whatever `model.image_size` says. BiT rescales to
    [-1, 1] inside, as its weights expect; the SimCLR ResNet takes [0, 1] as its reference does.
    The layers compute in Keras' global dtype policy.

    Args:
        model: Family, depth, width, stem; `units` and `root_filters` override the depth's.
        synchronized: Whether BatchNorm shares its statistics between replicas (BiT has none).

    Raises:
        InputError: Family `saved_model`, and the folder holds none that can be called on images.
    """
    images = keras.Input((None, None, model.channels), name="images", dtype="float32")
    if model.family == "saved_model":
        from trainer_modules.backbones.frozen_saved_model import load_frozen

        frozen = load_frozen(model.init.path, model.image_size)
        return keras.Model(images, frozen(images), name="saved_model")
    units = _units(model)
    filters = model.root_filters * model.width
    if model.family == "bit":
        rescaled = layers.Rescaling(2.0, offset=-1.0, dtype="float32", name="rescale")(images)
        outputs = bit.bit_features(rescaled, units, filters, model.stem)
    else:
        outputs = simclr_resnet.simclr_features(
            images,
            units,
            filters,
            bottleneck=_bottleneck(model),
            stem=model.stem,
            synchronized=synchronized,
        )
    features = layers.GlobalAveragePooling2D(dtype="float32", name="features")(outputs)
    return keras.Model(images, features, name=f"{model.family}_backbone")


def feature_dim(model: ModelSettings) -> int:
    """Width D of the features, for example 2048 for BiT R50x1 and 4096 for R152x2."""
    if model.family == "saved_model":
        return build_backbone(model).output_shape[-1]
    last = model.root_filters * model.width * 2 ** (len(_units(model)) - 1)
    return 4 * last if _bottleneck(model) else last


def _units(model: ModelSettings) -> tuple[int, ...]:
    family = bit if model.family == "bit" else simclr_resnet
    return model.units or family.UNITS[model.depth]


def _bottleneck(model: ModelSettings) -> bool:
    return model.family == "bit" or model.depth not in simclr_resnet.BASIC_DEPTHS
