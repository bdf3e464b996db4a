"""What checks find in the data: plain values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Anomaly:
    """One finding of ExampleValidator."""

    split: str
    feature: str
    types: tuple[str, ...]
    description: str


@dataclasses.dataclass(frozen=True)
class Shared:
    """A patient or image in several splits: how often, and in which rows (the first).

    `images` are the pseudonyms of the images in these rows.
    """

    value: str
    splits: Mapping[str, int]
    rows: tuple[int, ...]
    images: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Look:
    """Images of one split with the same perceptual hash: number, first rows and images."""

    split: str
    count: int
    rows: tuple[int, ...]
    images: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two looks of different splits, and the number of bits that differ."""

    bits: int
    looks: tuple[Look, Look]


@dataclasses.dataclass(frozen=True)
class NearDuplicates:
    """Number of pairs (up to the limit of a search), and the closest of them."""

    count: int
    pairs: tuple[Pair, ...] = ()
