"""Modality and VOI transforms as PACS write them, against the standard's formulas."""

import numpy as np
import pytest

from components.image_example_gen.pixels import picture
from components.image_example_gen.settings import ByRule
from tests.components.image_example_gen.decoding.dicom.made_dicom import (
    item,
    make,
    picture_of,
    ramp,
    sequence,
    stretch,
    table_item,
)

WINDOW = {"WindowCenter": 2048, "WindowWidth": 4096}
IDENTITY = list(range(4096))


def _linear(units, center, width):
    return np.clip(np.rint(((units - (center - 0.5)) / (width - 1) + 0.5) * 255), 0, 255)


@pytest.mark.parametrize(
    "tags",
    [
        {"RescaleSlope": None, "RescaleIntercept": None},
        {"RescaleSlope": "", "RescaleIntercept": ""},
        {"RescaleSlope": 1, "RescaleIntercept": None},
        {"RescaleSlope": None, "RescaleIntercept": 0},
        {"VOILUTFunction": ""},
        {"VOILUTFunction": None},
        {"VOILUTSequence": sequence()},
        {"VOILUTSequence": sequence(item())},
        {"ModalityLUTSequence": sequence()},
        {"ModalityLUTSequence": sequence(item())},
        {"PixelPaddingValue": None, "PresentationLUTShape": ""},
        {"SharedFunctionalGroupsSequence": sequence(item())},
        {"PerFrameFunctionalGroupsSequence": sequence(item())},
    ],
)
def test_what_is_there_but_empty_is_as_if_it_were_not(tags):
    values = ramp()
    shown = picture_of(make(values, **WINDOW, **tags))
    np.testing.assert_array_equal(shown.pixels, _linear(values, 2048, 4096))
    assert (shown.rule, shown.flags) == ("window", ())


@pytest.mark.parametrize("tags", [{"WindowCenter": None, "WindowWidth": None}, {}])
def test_without_a_window_the_values_are_stretched_and_flagged(tags):
    values = ramp(low=100, high=900)
    shown = picture_of(make(values, **tags))
    np.testing.assert_array_equal(shown.pixels, stretch(values, 100, 900))
    assert (shown.rule, shown.flags) == ("values", (picture.RANGE_GUESSED,))


@pytest.mark.parametrize(
    ("slope", "intercept", "unit"),
    [
        ("0", "-1024", 1),
        ("NaN", "0", 1),
        ("inf", "0", 1),
        ("abc", "0", 1),
        ("2", "nan", 2),
        ("2", "x", 2),
    ],
)
def test_a_rescale_without_meaning_is_left_out_and_flagged(slope, intercept, unit):
    values = ramp()
    made = make(values, WindowCenter=2000, WindowWidth=3000)
    made.add_new("RescaleSlope", "LO", slope)
    made.add_new("RescaleIntercept", "LO", intercept)
    shown = picture_of(made)
    np.testing.assert_array_equal(shown.pixels, _linear(values * float(unit), 2000, 3000))
    assert shown.flags == (picture.RESCALE_UNUSABLE,)


def test_a_decimal_comma_is_understood():
    values = ramp()
    made = make(values)
    for name, text in (("WindowCenter", "1500,5"), ("WindowWidth", "2000,0"),
                       ("RescaleSlope", "0,5"), ("RescaleIntercept", "-10,0")):  # fmt: skip
        made.add_new(name, "LO", text)
    np.testing.assert_array_equal(picture_of(made).pixels, _linear(values * 0.5 - 10, 1500.5, 2000))


def test_a_negative_slope_turns_the_values_around():
    values = ramp(low=0, high=1000)
    shown = picture_of(make(values, RescaleSlope=-1, RescaleIntercept=1000))
    np.testing.assert_array_equal(shown.pixels, stretch(1000.0 - values, 0, 1000))


def test_a_modality_table_goes_before_a_rescale():
    values = ramp(np.uint16, 0, 255)
    table = (np.arange(256)[::-1] * 100).tolist()
    made = make(values, RescaleSlope=3, RescaleIntercept=5,
                ModalityLUTSequence=sequence(table_item([256, 0, 16], table)))  # fmt: skip
    shown = picture_of(made)
    np.testing.assert_array_equal(shown.pixels, stretch(np.array(table)[values], 0, 25500))
    assert picture.RESCALE_UNUSABLE in shown.flags


def test_an_empty_modality_table_leaves_the_rescale():
    values = ramp(np.uint16, 0, 255)
    made = make(values, RescaleSlope=3, RescaleIntercept=5, WindowCenter=300, WindowWidth=200,
                ModalityLUTSequence=sequence(table_item([256, 0, 16], None)))  # fmt: skip
    shown = picture_of(made)
    np.testing.assert_array_equal(shown.pixels, _linear(values * 3.0 + 5, 300, 200))
    assert shown.flags == (picture.RESCALE_UNUSABLE,)


@pytest.mark.parametrize(
    ("center", "width"),
    [
        (60000, 10), (-5000, 100), (2048, 0), (2048, -5), (2048, 1), ("NaN", 100), (2048, "inf"),
        (32768, 65536), (50000, 100000), (5000, 2000),
    ],
)  # fmt: skip
def test_windows_that_show_nothing_give_way_to_the_values(center, width):
    values = ramp()
    made = make(values)
    made.add_new("WindowCenter", "LO", str(center))
    made.add_new("WindowWidth", "LO", str(width))
    shown = picture_of(made)
    np.testing.assert_array_equal(shown.pixels, stretch(values, 0, 4095))
    assert set(shown.flags) == {picture.WINDOW_UNUSABLE, picture.RANGE_GUESSED}


def test_a_window_that_shows_a_part_of_the_values_is_kept():
    values = ramp()
    shown = picture_of(make(values, WindowCenter=4500, WindowWidth=2000))
    np.testing.assert_array_equal(shown.pixels, _linear(values, 4500, 2000))
    assert shown.flags == ()


def test_the_setting_window_believes_the_file():
    values = ramp()
    made = make(values, WindowCenter=2048, WindowWidth=1)
    shown = picture_of(made, policy=ByRule(rule="window"))
    # PS3.3 C.11.2.1.2.1 with a width of 1: a threshold at half a step below the center.
    np.testing.assert_array_equal(shown.pixels, np.where(values > 2047.5, 255, 0))
    assert shown.flags == ()


def test_the_first_of_several_windows_that_shows_something_is_taken():
    values = ramp()
    shown = picture_of(make(values, WindowCenter=[60000, 1000, 2000], WindowWidth=[10, 800, 9]))
    np.testing.assert_array_equal(shown.pixels, _linear(values, 1000, 800))
    assert shown.flags == (picture.WINDOW_UNUSABLE,)
    shown = picture_of(make(values, WindowCenter=[1000, 2000], WindowWidth=800))
    np.testing.assert_array_equal(shown.pixels, _linear(values, 1000, 800))
    assert shown.flags == (picture.WINDOW_UNUSABLE,)


def test_a_linear_window_of_less_than_a_step_is_meant_exactly():
    # Units of 0 to 0.4, as diffusion coefficients are.
    values = ramp()
    made = make(values, RescaleSlope=0.0001, RescaleIntercept=0, WindowCenter=0.2, WindowWidth=0.3)
    shown = picture_of(made)
    expected = np.clip(((values * 0.0001 - 0.2) / 0.3 + 0.5) * 255, 0, 255)
    assert np.abs(shown.pixels - expected).max() <= 0.5 + 1e-6
    assert shown.flags == (picture.WINDOW_UNUSABLE,)


def test_an_unknown_function_is_linear():
    values = ramp()
    shown = picture_of(make(values, **WINDOW, VOILUTFunction="SQUARE"))
    np.testing.assert_array_equal(shown.pixels, _linear(values, 2048, 4096))
    assert shown.flags == (picture.WINDOW_UNUSABLE,)


@pytest.mark.parametrize("bits", range(8, 17))
@pytest.mark.parametrize("declared", [0, 1])
def test_voi_tables_span_what_they_use(bits, declared):
    """Of each depth, declared as it is, and declared as 16 bits."""
    values = ramp(np.uint16, 0, 255)
    entries = np.rint(np.sqrt(np.arange(256) / 255) * (2**bits - 1)).astype(int)
    told = 16 if declared else bits
    made = make(values, VOILUTSequence=sequence(table_item([256, 0, told], entries.tolist())))
    shown = picture_of(made)
    np.testing.assert_array_equal(shown.pixels, stretch(entries[values], 0, 2**bits - 1))
    assert shown.rule == "VOI table"
    assert shown.flags == (() if told == bits else (picture.RANGE_GUESSED,))


@pytest.mark.parametrize("declared", [8, 10, 0, 40000])
def test_voi_tables_that_exceed_their_bits_span_what_they_use(declared):
    values = ramp(np.uint16, 0, 255)
    entries = (np.arange(256) * 16 + 8).tolist()
    made = make(values, VOILUTSequence=sequence(table_item([256, 0, declared], entries)))
    shown = picture_of(made)
    np.testing.assert_array_equal(shown.pixels, stretch(values, 0, 255))
    assert shown.flags == (picture.RANGE_GUESSED,)


def test_the_first_value_of_a_table_may_have_lost_its_sign():
    values = ramp(np.int16, -1024, 3071)
    made = make(values, BitsStored=13, HighBit=12)
    made.VOILUTSequence = sequence(table_item([4096, 65536 - 1024, 12], IDENTITY))
    np.testing.assert_array_equal(picture_of(made).pixels, stretch(values, -1024, 3071))
    made = make(ramp(np.uint16, 40000, 44095))
    made.VOILUTSequence = sequence(table_item([4096, 40000 - 65536, 12], IDENTITY, vr="SS"))
    np.testing.assert_array_equal(picture_of(made).pixels, stretch(values, -1024, 3071))


def test_a_table_for_other_values_gives_way():
    values = ramp(np.uint16, 0, 1000)
    made = make(values, WindowCenter=500, WindowWidth=1000)
    made.VOILUTSequence = sequence(table_item([256, 5000, 8], list(range(256))))
    shown = picture_of(made)
    np.testing.assert_array_equal(shown.pixels, _linear(values, 500, 1000))
    assert shown.flags == (picture.WINDOW_UNUSABLE,)


def test_the_second_table_may_be_the_usable_one():
    values = ramp()
    made = make(values, BitsStored=12, HighBit=11)
    made.VOILUTSequence = sequence(
        table_item([4096, 0, 12], None), table_item([4096, 0, 12], IDENTITY)
    )
    shown = picture_of(made)
    np.testing.assert_array_equal(shown.pixels, stretch(values, 0, 4095))
    assert (shown.rule, shown.flags) == ("VOI table", (picture.WINDOW_UNUSABLE,))


def _groups(name, *tags):
    return sequence(*(item(**{name: sequence(item(**one))}) for one in tags))


def test_frames_have_windows_and_rescales_of_their_own():
    values = np.stack([ramp(), ramp()[::-1], ramp()])
    made = make(values, frames=3, WindowCenter=100, WindowWidth=50, RescaleSlope=9,
                RescaleIntercept=9)  # fmt: skip
    made.SharedFunctionalGroupsSequence = sequence(
        item(
            PixelValueTransformationSequence=sequence(item(RescaleSlope=2, RescaleIntercept=-100)),
            FrameVOILUTSequence=sequence(item(WindowCenter=3000, WindowWidth=900)),
        )
    )
    made.PerFrameFunctionalGroupsSequence = sequence(
        item(FrameVOILUTSequence=sequence(item(WindowCenter=4000, WindowWidth=1000))),
        item(
            FrameVOILUTSequence=sequence(item(WindowCenter=None, WindowWidth=None)),
            PixelValueTransformationSequence=sequence(item(RescaleSlope=3, RescaleIntercept=0)),
        ),
        item(
            FrameVOILUTSequence=sequence(item()),
            PixelValueTransformationSequence=sequence(item(RescaleSlope="", RescaleIntercept="")),
        ),
    )
    for frame, (slope, intercept, center, width) in enumerate(
        [(2, -100, 4000, 1000), (3, 0, 3000, 900), (2, -100, 3000, 900)]
    ):
        units = values[frame] * float(slope) + intercept
        shown = picture_of(made, frame)
        np.testing.assert_array_equal(shown.pixels, _linear(units, center, width))
        assert shown.flags == ()


def test_a_frame_may_have_a_table_of_its_own():
    values = np.stack([ramp(np.uint16, 0, 255)] * 2)
    tables = [list(range(256)), list(range(255, -1, -1))]
    made = make(values, frames=2, **WINDOW)
    made.PerFrameFunctionalGroupsSequence = sequence(
        *(
            item(FrameVOILUTSequence=sequence(
                item(VOILUTSequence=sequence(table_item([256, 0, 8], table)))
            ))
            for table in tables
        )
    )  # fmt: skip
    for frame, table in enumerate(tables):
        np.testing.assert_array_equal(
            picture_of(made, frame).pixels, np.array(table)[values[frame]]
        )


def test_fewer_groups_than_frames_leave_the_shared_ones():
    values = np.stack([ramp(), ramp()])
    made = make(values, frames=2)
    made.PerFrameFunctionalGroupsSequence = _groups(
        "FrameVOILUTSequence", {"WindowCenter": 1000, "WindowWidth": 500}
    )
    made.SharedFunctionalGroupsSequence = _groups(
        "FrameVOILUTSequence", {"WindowCenter": 2000, "WindowWidth": 700}
    )
    np.testing.assert_array_equal(picture_of(made, 1).pixels, _linear(values[1], 2000, 700))
