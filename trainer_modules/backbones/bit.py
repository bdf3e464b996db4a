"""Big Transfer (BiT) ResNet-v2: GroupNorm and weight standardization, any depth and width.

After Kolesnikov et al., "Big Transfer (BiT): General Visual Representation Learning"
(arXiv 1912.11370). Written in `keras.ops`, so that the network runs on every Keras backend. A
variable's path is its key in the released `.npz` files without the leading `resnet/`, for example
`block1/unit01/a/standardized_conv2d/kernel`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import keras
from keras import ops

from trainer_modules.backbones.backbone import Backbone, Part
from trainer_modules.settings import ModelSettings, families

STD_EPSILON = 1e-10
NORM_EPSILON = 1e-5
NORM_GROUPS = 32
PUBLISHED_ROOT_FILTERS = 64
"""From this width on, norms are compiled for training: XLA takes some 20 s and saves a tenth of
every step, which pays off only in long training."""

Shape: TypeAlias = tuple[Any, ...]
"""Batch, height, width, channels; None where free."""


def standardize(kernel: keras.KerasTensor) -> keras.KerasTensor:
    """Scales each output filter of an HWIO kernel to zero mean and unit (biased) variance."""
    mean = ops.mean(kernel, axis=(0, 1, 2), keepdims=True)
    centered = kernel - mean
    variance = ops.mean(ops.square(centered), axis=(0, 1, 2), keepdims=True)
    return centered * ops.rsqrt(variance + STD_EPSILON)


def norm_groups(channels: int) -> int:
    """Groups of a GroupNorm: 32 as published, fewer in networks narrower than any published.

    A group holds at least the two channels it has in the narrowest published layer (64 channels);
    groups of one channel would erase each image's mean activation.
    """
    if channels % NORM_GROUPS == 0 and channels >= 2 * NORM_GROUPS:
        return NORM_GROUPS
    return math.gcd(NORM_GROUPS, channels // 2)


@keras.saving.register_keras_serializable("remedis")
class StdConv2D(keras.layers.Layer):
    """Convolution with a standardized kernel, zero padding of half the kernel, no bias."""

    # See `fuse_norms`.
    fused = False

    def __init__(self, filters: int, kernel_size: int, strides: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides

    def build(self, input_shape: Shape) -> None:
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.kernel_size, self.kernel_size, input_shape[-1], self.filters),
            initializer="he_normal",
            autocast=False,  # the kernel's statistics require float32
        )

    def call(self, inputs: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        if self.fused and training:
            from trainer_modules.backbones import xla_norm

            kernel = xla_norm.standardize(self.kernel, STD_EPSILON, self.compute_dtype)
        else:
            kernel = ops.cast(standardize(self.kernel), self.compute_dtype)
        pad = self.kernel_size // 2
        if self.strides > 1 and pad:  # "same" would pad unevenly
            inputs = ops.pad(inputs, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
        padding = "same" if self.strides == 1 else "valid"
        return ops.conv(inputs, kernel, strides=self.strides, padding=padding)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, height, width, _ = input_shape
        scaled = (side and -(-side // self.strides) for side in (height, width))
        return (batch, *scaled, self.filters)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return config | {
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
        }


@keras.saving.register_keras_serializable("remedis")
class GroupNormRelu(keras.layers.Layer):
    """GroupNorm followed by ReLU, as everywhere in the network.

    The statistics are float32 whatever the compute dtype, and the affine map is applied as one
    multiplication and one addition per element.
    """

    # See `fuse_norms`.
    fused = False

    def build(self, input_shape: Shape) -> None:
        channels = input_shape[-1]
        self.groups = norm_groups(channels)
        self.gamma = self.add_weight(
            name="gamma", shape=(channels,), initializer="ones", autocast=False
        )
        self.beta = self.add_weight(
            name="beta", shape=(channels,), initializer="zeros", autocast=False
        )

    def call(self, inputs: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        if self.fused and training:
            from trainer_modules.backbones import xla_norm

            return xla_norm.group_norm_relu(
                inputs, self.gamma, self.beta, self.groups, NORM_EPSILON
            )
        return group_norm_relu(inputs, self.gamma, self.beta, self.groups)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape


def group_norm_relu(
    inputs: keras.KerasTensor, gamma: keras.KerasTensor, beta: keras.KerasTensor, groups: int
) -> keras.KerasTensor:
    """relu(gamma * (x - mean) / sqrt(variance + eps) + beta) per image and group of channels."""
    channels = inputs.shape[-1]
    wide = ops.cast(inputs, "float32")
    moments = ops.stack([ops.mean(wide, (1, 2)), ops.mean(ops.square(wide), (1, 2))])
    moments = ops.reshape(moments, (2, -1, groups, channels // groups))
    mean, mean_square = ops.unstack(ops.mean(moments, axis=-1, keepdims=True), 2)
    variance = ops.maximum(mean_square - ops.square(mean), 0.0)
    scale = ops.rsqrt(variance + NORM_EPSILON) * ops.reshape(gamma, (1, groups, -1))
    shift = ops.reshape(beta, (1, groups, -1)) - mean * scale
    scale = ops.reshape(scale, (-1, 1, 1, channels))
    shift = ops.reshape(shift, (-1, 1, 1, channels))
    return ops.cast(ops.relu(wide * scale + shift), inputs.dtype)


@keras.saving.register_keras_serializable("remedis")
class BitUnit(keras.layers.Layer):
    """Pre-activation bottleneck: norm and ReLU before each convolution, stride on the 3x3.

    a, b and c are the released files' names of the three convolutions with their norms.
    """

    def __init__(self, filters: int, strides: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.strides = strides

    def build(self, input_shape: Shape) -> None:
        narrow, wide = self.filters, 4 * self.filters
        inner = (*input_shape[:-1], narrow)
        policy = self.dtype_policy

        def conv(filters: int, kernel_size: int = 1, strides: int = 1) -> StdConv2D:
            name = "standardized_conv2d"
            return StdConv2D(filters, kernel_size, strides, name=name, dtype=policy)

        self.norm_a, self.norm_b, self.norm_c = (
            GroupNormRelu(name="group_norm", dtype=policy) for _ in range(3)
        )
        self.conv_a, self.conv_b, self.conv_c = (
            conv(narrow),
            conv(narrow, 3, self.strides),
            conv(wide),
        )
        self.project = None
        if self.strides > 1 or input_shape[-1] != wide:
            self.project = conv(wide, 1, self.strides)
        with keras.name_scope("a"):
            self.norm_a.build(input_shape)
            self.conv_a.build(input_shape)
            if self.project:
                with keras.name_scope("proj"):
                    self.project.build(input_shape)
        with keras.name_scope("b"):
            self.norm_b.build(inner)
            self.conv_b.build(inner)
        with keras.name_scope("c"):
            self.norm_c.build(inner)
            self.conv_c.build(inner)

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        outputs = self.norm_a(inputs)
        shortcut = self.project(outputs) if self.project else inputs
        outputs = self.conv_a(outputs)
        outputs = self.conv_b(self.norm_b(outputs))
        outputs = self.conv_c(self.norm_c(outputs))
        return outputs + shortcut

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, height, width, _ = input_shape
        scaled = (side and -(-side // self.strides) for side in (height, width))
        return (batch, *scaled, 4 * self.filters)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return config | {"filters": self.filters, "strides": self.strides}


@keras.saving.register_keras_serializable("remedis")
class BitBlock(keras.layers.Layer):
    """Units of one resolution and width; the first one changes both."""

    def __init__(self, units: int, filters: int, strides: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.strides = strides
        self.units = [
            BitUnit(
                filters,
                strides if index == 1 else 1,
                name=f"unit{index:02d}",
                dtype=self.dtype_policy,
            )
            for index in range(1, units + 1)
        ]

    def build(self, input_shape: Shape) -> None:
        for unit in self.units:
            unit.build(input_shape)
            input_shape = unit.compute_output_shape(input_shape)

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        for unit in self.units:
            inputs = unit(inputs)
        return inputs

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return self.units[-1].compute_output_shape(self.units[0].compute_output_shape(input_shape))

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return config | {
            "units": len(self.units),
            "filters": self.filters,
            "strides": self.strides,
        }


@keras.saving.register_keras_serializable("remedis")
class BitRoot(keras.layers.Layer):
    """First convolution: 7x7/2 and a max-pool over zero padding, or 3x3 for images of 32 px."""

    def __init__(self, filters: int, stem: str = "imagenet", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.stem = stem
        size, strides = (7, 2) if stem == "imagenet" else (3, 1)
        self.conv = StdConv2D(
            filters, size, strides, name="standardized_conv2d", dtype=self.dtype_policy
        )

    def build(self, input_shape: Shape) -> None:
        self.conv.build(input_shape)

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        outputs = self.conv(inputs)
        if self.stem == "imagenet":  # the padding is 0, as in BiT, where pooling layers use -inf
            outputs = ops.pad(outputs, ((0, 0), (1, 1), (1, 1), (0, 0)))
            outputs = ops.max_pool(outputs, 3, strides=2, padding="valid")
        return outputs

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, height, width, _ = input_shape
        stride = 4 if self.stem == "imagenet" else 1
        scaled = (side and -(-side // stride) for side in (height, width))
        return (batch, *scaled, self.filters)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return config | {"filters": self.filters, "stem": self.stem}


def bit_features(
    images: keras.KerasTensor, units: Sequence[int], root_filters: int, stem: str = "imagenet"
) -> keras.KerasTensor:
    """Last feature map (normalized, float32 or the policy's dtype) of images in [-1, 1].

    Args:
        images: Symbolic [B, H, W, 3].
        units: Units per block.
        root_filters: Channels of the first convolution: 64 times the width in published networks.
        stem: "imagenet" (stride 4) or "cifar" (stride 1).
    """
    layers = [BitRoot(root_filters, stem, name="root_block")]
    for index, count in enumerate(units):
        filters, strides = root_filters * 2**index, 1 if index == 0 else 2
        layers.append(BitBlock(count, filters, strides, name=f"block{index + 1}"))
    layers.append(GroupNormRelu(name="group_norm"))
    outputs = images
    for layer in layers:
        outputs = layer(outputs)
        if root_filters >= PUBLISHED_ROOT_FILTERS:
            fuse_norms(layer)
    return outputs


def fuse_norms(layer: keras.layers.Layer) -> None:
    """Compiles a built layer's norms and kernel standardization for training (`xla_norm`)."""
    if keras.backend.backend() == "tensorflow":
        for each in layer._flatten_layers():
            if isinstance(each, (StdConv2D, GroupNormRelu)):
                each.fused = True


def _build(
    images: keras.KerasTensor, model: ModelSettings, synchronized: bool
) -> keras.KerasTensor:
    root_filters = model.root_filters * model.width
    return bit_features(images, model.unit_counts, root_filters, model.stem)


def _parts(network: keras.Model, model: ModelSettings) -> list[Part]:
    root, *blocks, norm = (
        layer for layer in network.layers if isinstance(layer, (BitRoot, BitBlock, GroupNormRelu))
    )
    units = [Part(number, [unit]) for number, block in enumerate(blocks, 1) for unit in block.units]
    last = units.pop()
    # The norm at the end belongs to the last unit.
    return [Part(0, [root]), *units, Part(last.block, [*last.layers, norm])]


BACKBONE = Backbone(families.BIT, _build, _parts, pixels=(-1.0, 1.0))
