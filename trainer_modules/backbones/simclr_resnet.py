"""The SimCLR ResNet (v1, BatchNorm): the second family of backbones, for the CIFAR-10 recipe."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from trainer_modules.backbones.backbone import Backbone, Part
from trainer_modules.settings import ModelSettings, families

BASIC_DEPTHS = (18, 34)
NORM_MOMENTUM = 0.9
NORM_EPSILON = 1e-5


def simclr_features(
    images: keras.KerasTensor,
    units: Sequence[int],
    root_filters: int,
    *,
    bottleneck: bool,
    stem: str = "imagenet",
    synchronized: bool = False,
) -> keras.KerasTensor:
    """Last feature map of images in [0, 1].

    Args:
        images: Symbolic [B, H, W, 3].
        units: Units per block.
        root_filters: Channels of the first convolution: 64 times the width in published networks.
        bottleneck: 1x1-3x3-1x1 units (depth 50 and more) instead of two 3x3.
        stem: "imagenet" (7x7/2 and max-pool) or "cifar" (3x3, for images of 32 px).
        synchronized: Whether BatchNorm statistics are shared between replicas.
    """

    def conv(
        outputs: keras.KerasTensor, filters: int, size: int, strides: int, name: str
    ) -> keras.KerasTensor:
        padding = "same"
        if (
            strides > 1 and size > 1
        ):  # "same" padding depends on the image's size, the reference's does not
            before = (size - 1) // 2
            after = size - 1 - before
            outputs = layers.ZeroPadding2D(((before, after), (before, after)), name=f"{name}_pad")(
                outputs
            )
            padding = "valid"
        return layers.Conv2D(
            filters,
            size,
            strides,
            padding=padding,
            use_bias=False,
            kernel_initializer="variance_scaling",
            name=name,
        )(outputs)

    def norm(
        outputs: keras.KerasTensor, name: str, *, relu: bool = True, gamma: str = "ones"
    ) -> keras.KerasTensor:
        outputs = layers.BatchNormalization(
            momentum=NORM_MOMENTUM,
            epsilon=NORM_EPSILON,
            gamma_initializer=gamma,
            synchronized=synchronized,
            name=name,
        )(outputs)
        return layers.ReLU(name=f"{name}_relu")(outputs) if relu else outputs

    def unit(
        inputs: keras.KerasTensor, filters: int, strides: int, project: bool, name: str
    ) -> keras.KerasTensor:
        wide = 4 * filters if bottleneck else filters
        sizes = (1, 3, 1) if bottleneck else (3, 3)
        strided = 1 if bottleneck else 0
        shortcut = inputs
        if project:
            shortcut = conv(inputs, wide, 1, strides, f"{name}_project")
            shortcut = norm(shortcut, f"{name}_project_norm", relu=False)
        outputs = inputs
        for index, size in enumerate(sizes):
            last = index == len(sizes) - 1
            step = strides if index == strided else 1
            outputs = conv(
                outputs, wide if last else filters, size, step, f"{name}_conv{index + 1}"
            )
            outputs = norm(
                outputs,
                f"{name}_norm{index + 1}",
                relu=not last,
                gamma="zeros" if last else "ones",  # a unit starts as the identity
            )
        return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([outputs, shortcut]))

    size, strides = (7, 2) if stem == "imagenet" else (3, 1)
    outputs = norm(conv(images, root_filters, size, strides, "root_conv"), "root_norm")
    if stem == "imagenet":
        outputs = layers.MaxPooling2D(3, 2, padding="same", name="root_pool")(outputs)
    for block, count in enumerate(units):
        for index in range(count):
            outputs = unit(
                outputs,
                root_filters * 2**block,
                2 if block > 0 and index == 0 else 1,
                index == 0,
                _unit_name(block + 1, index + 1),
            )
    return outputs


def _unit_name(block: int, unit: int) -> str:
    return f"block{block}_unit{unit:02d}"


def _build(
    images: keras.KerasTensor, model: ModelSettings, synchronized: bool
) -> keras.KerasTensor:
    return simclr_features(
        images,
        model.unit_counts,
        model.root_filters * model.width,
        bottleneck=model.depth not in BASIC_DEPTHS,
        stem=model.stem,
        synchronized=synchronized,
    )


def _parts(network: keras.Model, model: ModelSettings) -> list[Part]:
    def part(block: int, prefix: str) -> Part:
        return Part(block, [layer for layer in network.layers if layer.name.startswith(prefix)])

    units = [
        part(block, f"{_unit_name(block, unit)}_")
        for block, count in enumerate(model.unit_counts, 1)
        for unit in range(1, count + 1)
    ]
    return [part(0, "root_"), *units]


BACKBONE = Backbone(families.SIMCLR, _build, _parts)
