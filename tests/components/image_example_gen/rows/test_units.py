"""Rows that are dealt to a unit come out as they went in."""

from __future__ import annotations

import pickle

import pytest

from components.image_example_gen.rows.units import Blocks, PlannedImage, Unit


def planned(number):
    return PlannedImage(
        number, f"{number}.png", "i", "p", "", "s", "site", "shifted", (1.0, None), ("F", "")
    )


@pytest.mark.parametrize(("count", "blocks"), [(0, 0), (1, 1), (64, 1), (65, 2), (130, 3)])
def test_rows_are_compressed_64_at_a_time_and_come_out_in_order(count, blocks):
    dealt = Blocks()
    for number in range(count):
        dealt.add(planned(number))
    unit = Unit("train", 3, 12, dealt.close())
    assert len(unit.blocks) == blocks
    assert list(unit.images()) == [planned(number) for number in range(count)]
    assert list(pickle.loads(pickle.dumps(unit)).images()) == list(unit.images())


def test_a_unit_is_named_by_its_shard():
    assert Unit("train", 3, 12, ()).name == "00003-of-00012"
