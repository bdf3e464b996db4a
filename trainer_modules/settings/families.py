"""What settings must know of each family of backbones, without TensorFlow.

The networks themselves are in `trainer_modules.backbones`; its registry adds a new family to both.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Traits:
    """What holds for every network of a family.

    Attributes:
        name: Value of `model.family`.
        depths: Units of each block, by published depth; empty where depth means nothing.
        batch_norm: Whether layers look at the whole batch, as BatchNorm does.
        inits: Accepted values of `model.init.source`.
        trained: Whether it can be trained; if not, it is used as `model.init` has it.
    """

    name: str
    depths: Mapping[int, tuple[int, ...]]
    batch_norm: bool
    inits: tuple[str, ...]
    trained: bool = True


_BOTTLENECKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
BIT = Traits(
    "bit",
    depths=_BOTTLENECKS,
    batch_norm=False,
    inits=("random", "bit_npz", "encoder", "saved_model"),
)
SIMCLR = Traits(
    "simclr",
    depths={18: (2, 2, 2, 2), 34: (3, 4, 6, 3), **_BOTTLENECKS},
    batch_norm=True,
    inits=("random", "encoder", "saved_model"),
)
SAVED_MODEL = Traits(
    "saved_model", depths={}, batch_norm=False, inits=("saved_model",), trained=False
)
FAMILIES = {traits.name: traits for traits in (BIT, SIMCLR, SAVED_MODEL)}


def traits_of(family: str) -> Traits:
    """The traits of a family.

    Raises:
        ValueError: There is no such family.
    """
    if family not in FAMILIES:
        *others, last = (f"'{name}'" for name in FAMILIES)
        raise ValueError(f"input should be {', '.join(others)} or {last}")
    return FAMILIES[family]
