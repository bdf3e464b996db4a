"""What checks find in the data, and the outcome of a check: plain values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal

Severity = Literal["stop", "report", "ignore"]


@dataclasses.dataclass(frozen=True)
class Check:
    """Outcome of one check; `details` is JSON-ready."""

    name: str
    passed: bool
    action: Severity
    message: str
    details: tuple[dict, ...] = ()

    @property
    def stops(self) -> bool:
        """Whether the run must not go on."""
        return not self.passed and self.action == "stop"


@dataclasses.dataclass(frozen=True)
class Anomaly:
    """One finding of ExampleValidator."""

    split: str
    feature: str
    types: tuple[str, ...]
    description: str


@dataclasses.dataclass(frozen=True)
class Shared:
    """A patient or picture that is in several splits: how often, and in which rows (the first).

    `images` are the pseudonyms of the images in these rows.
    """

    value: str
    splits: Mapping[str, int]
    rows: tuple[int, ...]
    images: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Look:
    """Images of one split with the same perceptual hash: how many, the first rows and images."""

    split: str
    count: int
    rows: tuple[int, ...]
    images: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two looks of different splits, and how many bits tell them apart."""

    bits: int
    looks: tuple[Look, Look]


@dataclasses.dataclass(frozen=True)
class Distance:
    """How far a feature of one split is from what it is compared with, and how far it may be."""

    split: str
    feature: str
    measure: str
    value: float
    threshold: float


@dataclasses.dataclass(frozen=True)
class NearDuplicates:
    """How many pairs there are (up to the limit of a search), and the closest of them."""

    count: int
    pairs: tuple[Pair, ...] = ()
