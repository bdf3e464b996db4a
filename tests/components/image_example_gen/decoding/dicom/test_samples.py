"""Unused bits, signs and padding that the header gets wrong."""

import numpy as np
import pytest

from components.image_example_gen.pixels import picture
from components.image_example_gen.settings import ByRule
from tests.components.image_example_gen.decoding.dicom.made_dicom import (
    make,
    picture_of,
    ramp,
    stretch,
)

BOTH = ["MONOCHROME1", "MONOCHROME2"]
WINDOWS = [{}, {"WindowCenter": 500, "WindowWidth": 1000}]


def _padded(dtype, value, low=100, high=1000):
    values = ramp(dtype, low, high)
    values[0], values[:, 0] = value, value
    mask = np.zeros(values.shape, bool)
    mask[0], mask[:, 0] = True, True
    return values, mask


def _expected(values, mask, kind, window):
    if window:
        units = ((values - (500 - 0.5)) / 999 + 0.5) * 255
        shown = np.clip(np.rint(units), 0, 255)
    else:
        shown = stretch(values, values[~mask].min(), values[~mask].max())
    return np.where(mask, 0, 255 - shown if kind == "MONOCHROME1" else shown)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(
    ("dtype", "value", "written", "vr"),
    [
        (np.int16, -2000, -2000, "SS"),
        (np.int16, -2000, 63536, "US"),
        (np.int16, -1, 65535, "US"),
        (np.uint16, 63536, 63536, "US"),
        (np.uint16, 63536, -2000, "SS"),
        (np.uint16, 0, 0, "US"),
        (np.uint16, 0, "0", "IS"),
    ],
)
def test_padding_is_black_whatever_its_sign(dtype, value, written, vr, window, kind):
    values, mask = _padded(dtype, value)
    made = make(values, PhotometricInterpretation=kind, **window)
    made.add_new("PixelPaddingValue", vr, written)
    shown = picture_of(made)
    np.testing.assert_array_equal(shown.pixels, _expected(values, mask, kind, window))
    assert (picture.PADDING_GUESSED in shown.flags) == (int(written) != value)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("ends", [(-2000, -1900), (-1900, -2000), (63536, 63636)])
def test_padding_ranges(ends, window, kind):
    values, mask = _padded(np.int16, -2000)
    values[1], mask[1] = -1950, True
    values[2, 3] = -1899
    made = make(values, PhotometricInterpretation=kind, **window)
    vr = "US" if ends[0] > 0 else "SS"
    made.add_new("PixelPaddingValue", vr, ends[0])
    made.add_new("PixelPaddingRangeLimit", vr, ends[1])
    np.testing.assert_array_equal(picture_of(made).pixels, _expected(values, mask, kind, window))


def test_padding_of_eight_bits_is_black():
    values, mask = _padded(np.uint8, 255, 20, 200)
    for kind in BOTH:
        made = make(values, PixelPaddingValue=255, PhotometricInterpretation=kind)
        expected = np.where(mask, 0, values if kind == "MONOCHROME2" else 255 - values)
        np.testing.assert_array_equal(picture_of(made).pixels, expected)


def test_padding_that_no_pixel_has_changes_nothing():
    values = ramp()
    np.testing.assert_array_equal(
        picture_of(make(values, PixelPaddingValue=63536)).pixels, stretch(values, 0, 4095)
    )


def test_padding_beyond_the_stored_bits():
    values, mask = _padded(np.uint16, 63536, 0, 4095)
    made = make(values, BitsStored=12, HighBit=11, PixelPaddingValue=63536)
    shown = picture_of(made)
    np.testing.assert_array_equal(shown.pixels, _expected(values, mask, "MONOCHROME2", {}))
    assert picture.BITS_EXCEEDED not in shown.flags


@pytest.mark.parametrize("stored", [8, 10, 12])
def test_values_beyond_the_stored_bits_are_not_wrapped(stored):
    values = ramp(np.uint16, 0, 30000)
    shown = picture_of(make(values, BitsStored=stored, HighBit=stored - 1))
    np.testing.assert_array_equal(shown.pixels, stretch(values, 0, 30000))
    assert picture.BITS_EXCEEDED in shown.flags


def test_overlays_in_the_unused_bits_are_cleared():
    values = ramp(np.uint16, 0, 4095)
    overlaid = values.copy()
    overlaid[3:6] |= 0x8000
    made = make(overlaid, BitsStored=12, HighBit=11)
    made.add_new(0x60000100, "US", 16)
    made.add_new(0x60000102, "US", 15)
    shown = picture_of(made)
    np.testing.assert_array_equal(shown.pixels, stretch(values, 0, 4095))
    assert picture.BITS_EXCEEDED not in shown.flags


def test_signed_values_may_be_cut_to_their_bits():
    values = ramp(np.int16, -1024, 1000)
    cut = values & 0x0FFF
    made = make(cut, BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(picture_of(made).pixels, stretch(values, -1024, 1000))


@pytest.mark.parametrize("shift", [4, 6])
def test_values_in_the_upper_bits(shift):
    values = ramp(np.uint16, 0, 2 ** (16 - shift) - 1)
    made = make(values << shift, BitsStored=16 - shift, HighBit=15)
    made.WindowCenter, made.WindowWidth = 300, 500
    expected = np.clip(np.rint(((values - 299.5) / 499 + 0.5) * 255), 0, 255)
    np.testing.assert_array_equal(picture_of(made).pixels, expected)


@pytest.mark.parametrize("high", [0, 7, 15, 40])
def test_a_high_bit_that_the_values_contradict_is_left_out(high):
    values = ramp(np.uint16, 0, 4095)
    shown = picture_of(make(values, BitsStored=12, HighBit=high))
    np.testing.assert_array_equal(shown.pixels, stretch(values, 0, 4095))
    assert picture.BITS_CONTRADICTED in shown.flags


@pytest.mark.parametrize("window", [{}, {"WindowCenter": 0, "WindowWidth": 2000}])
def test_signed_values_that_are_called_unsigned(window):
    values = ramp(np.int16, -1000, 1000)
    made = make(values, **window)
    made.PixelRepresentation = 0
    shown = picture_of(made)
    expected = stretch(values, -1000, 1000)
    if window:
        expected = np.clip(np.rint(((values + 0.5) / 1999 + 0.5) * 255), 0, 255)
    np.testing.assert_array_equal(shown.pixels, expected)
    assert picture.SIGN_GUESSED in shown.flags


def test_unsigned_values_that_are_called_signed():
    values = ramp(np.uint16, 20000, 45000)
    made = make(values)
    made.PixelRepresentation = 1
    shown = picture_of(made)
    np.testing.assert_array_equal(shown.pixels, stretch(values, 20000, 45000))
    assert picture.SIGN_GUESSED in shown.flags


def test_a_marker_of_the_largest_value_is_no_sign():
    values = ramp(np.uint16, 0, 9000)
    values[0, :5] = 65535
    shown = picture_of(make(values))
    np.testing.assert_array_equal(shown.pixels, stretch(values, values.min(), 65535))
    assert picture.SIGN_GUESSED not in shown.flags


@pytest.mark.parametrize("stored", [10, 12, 14, 16])
def test_the_setting_declared_shows_all_that_the_bits_hold(stored):
    values = ramp(np.uint16, 0, 700)
    made = make(values, BitsStored=stored, HighBit=stored - 1, WindowCenter=50, WindowWidth=90)
    shown = picture_of(made, policy=ByRule(rule="declared"))
    np.testing.assert_array_equal(shown.pixels, stretch(values, 0, 2**stored - 1))
    signed = make(values.astype(np.int16), BitsStored=12, HighBit=11, RescaleSlope=2,
                  RescaleIntercept=10)  # fmt: skip
    shown = picture_of(signed, policy=ByRule(rule="declared"))
    np.testing.assert_array_equal(shown.pixels, stretch(values * 2 + 10, -4086, 4104))


def test_floating_point_pixels():
    values = np.linspace(-0.5, 2.5, 192, dtype=np.float32).reshape(12, 16)
    values[0] = -100
    made = make(values.view(np.int32))
    del made.PixelData, made.BitsStored, made.HighBit, made.PixelRepresentation
    made.FloatPixelData = values.tobytes()
    made.FloatPixelPaddingValue = -100.0
    shown = picture_of(made).pixels
    assert not shown[0].any()
    expected = stretch(values, values[1:].min(), 2.5)
    assert np.abs(shown[1:] - expected[1:]).max() <= 1
