"""The range that becomes black to white, against NumPy in double precision."""

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from components.image_example_gen.pixels import intensity, picture
from components.image_example_gen.pixels.intensity import Values, View, declared_range, render
from components.image_example_gen.settings import ByLimits, ByPercentiles, ByRule, Intensity

MINMAX, DECLARED, WINDOW = (ByRule(rule=rule) for rule in ("minmax", "declared", "window"))


def _ramp(low, high, dtype=np.uint16):
    return np.linspace(low, high, 600).round().astype(dtype).reshape(20, 30)


def _expected(values, low, high):
    return np.clip(np.rint((values.astype(np.float64) - low) / (high - low) * 255), 0, 255)


def _in_sixteen(values, **more):
    return Values(values, declared=declared_range(16), container=True, **more)


def _window(low, high, **more):
    return View("window", low, high, lambda units: (units - low) / (high - low), **more)


@pytest.mark.parametrize("bits", [8, 10, 12, 14])
@pytest.mark.parametrize("least", [0, 3])
def test_fewer_bits_in_sixteen_are_found_and_flagged(bits, least):
    values = _ramp(least, 2**bits - 1 - least)
    shown = render(_in_sixteen(values))
    np.testing.assert_array_equal(shown.pixels, _expected(values, 0, 2**bits - 1))
    assert (shown.rule, shown.low, shown.high) == (f"guessed {bits} bits", 0, 2**bits - 1)
    assert shown.flags == (picture.RANGE_GUESSED,)
    assert len(np.unique(shown.pixels)) > 200


@pytest.mark.parametrize("largest", [65535, 32768, 16384])
def test_sixteen_bits_that_are_used_are_no_guess(largest):
    values = _ramp(0, largest)
    shown = render(_in_sixteen(values))
    np.testing.assert_array_equal(shown.pixels, _expected(values, 0, 65535))
    assert (shown.rule, shown.flags) == ("declared 16 bits", ())


@pytest.mark.parametrize("largest", [900, 4095])
def test_declared_bits_hold_for_dark_images(largest):
    values = _ramp(0, largest)
    shown = render(Values(values, declared=declared_range(12)))
    np.testing.assert_array_equal(shown.pixels, _expected(values, 0, 4095))
    assert (shown.rule, shown.flags) == ("declared 12 bits", ())


def test_values_beyond_the_declared_bits_are_not_wrapped():
    values = _ramp(0, 9000)
    shown = render(Values(values, declared=declared_range(12)))
    np.testing.assert_array_equal(shown.pixels, _expected(values, 0, 2**14 - 1))
    assert set(shown.flags) == {picture.BITS_EXCEEDED, picture.RANGE_GUESSED}


@pytest.mark.parametrize(
    ("values", "low", "high", "rule"),
    [
        (np.linspace(0, 1, 600, dtype=np.float32).reshape(20, 30), 0, 1, "0 to 1"),
        (np.linspace(0, 0.5, 600).reshape(20, 30), 0, 1, "0 to 1"),
        (np.linspace(-3, 7.5, 600).reshape(20, 30), -3, 7.5, "values"),
        (_ramp(-700, 900, np.int16), -700, 900, "values"),
        (_ramp(0, 3_000_000, np.int32), 0, 3_000_000, "values"),
        (_ramp(0, 4000, np.int32), 0, 4095, "guessed 12 bits"),
    ],
)
def test_numbers_without_a_depth_show_their_own_range(values, low, high, rule):
    shown = render(Values(values))
    assert np.abs(shown.pixels - _expected(values, low, high)).max() <= 1
    assert (shown.rule, shown.flags) == (rule, (picture.RANGE_GUESSED,))


def test_what_is_no_number_is_black_and_does_not_count():
    values = np.linspace(10, 20, 600).reshape(20, 30)
    values[0, :4] = np.nan, np.inf, -np.inf, np.nan
    shown = render(Values(values))
    assert (shown.pixels[0, :4] == 0).all()
    np.testing.assert_array_equal(
        shown.pixels[1:], _expected(values[1:], np.min(values[np.isfinite(values)]), 20)
    )
    assert not render(Values(np.full((9, 9), np.nan))).pixels.any()


@pytest.mark.parametrize("inverted", [False, True])
def test_padding_is_black_and_does_not_count(inverted):
    values = _ramp(100, 1000)
    values[0], padding = 60000, np.zeros(values.shape, bool)
    padding[0] = True
    shown = render(Values(values, stretch=True, padding=padding, inverted=inverted))
    expected = _expected(values, values[1:].min(), 1000)
    assert not shown.pixels[0].any()
    np.testing.assert_array_equal(shown.pixels[1:], (255 - expected if inverted else expected)[1:])


def test_all_padding_is_an_image_all_the_same():
    values = _ramp(0, 255, np.uint8)
    padding = np.ones(values.shape, bool)
    np.testing.assert_array_equal(
        render(Values(values, declared=(0.0, 255.0), padding=padding)).pixels, values
    )


def test_rules_of_the_setting():
    values, padding = _ramp(100, 3000), np.zeros((20, 30), bool)
    values[0, :3], padding[0, :3] = 5000, True
    found = _in_sixteen(values, padding=padding, views=lambda low, high: [_window(0, 200)])
    inside = values[~padding]
    for policy, low, high in (
        (DECLARED, 0, 65535),
        (WINDOW, 0, 200),
        (MINMAX, inside.min(), 3000),
        (ByLimits(low=500, high=2000), 500, 2000),
        (
            ByPercentiles(low=2, high=90),
            *np.percentile(inside, (2, 90), method="inverted_cdf"),
        ),
    ):
        shown = render(found, policy)
        np.testing.assert_array_equal(
            shown.pixels[~padding], _expected(values, low, high)[~padding], err_msg=str(policy)
        )
        assert (shown.low, shown.high) == (low, high)
        assert shown.flags == ()


def test_colors_are_stretched_together():
    values = np.stack([_ramp(0, 1000), _ramp(1000, 3000), _ramp(0, 4095)], axis=-1)
    np.testing.assert_array_equal(render(_in_sixteen(values)).pixels, _expected(values, 0, 4095))


@pytest.mark.parametrize(
    "useless",
    [
        _window(60000, 60010),  # beyond all values
        _window(-500, -400),
        _window(3000, 3000.5),  # black and white, no gray
        _window(4050, 6000),  # nearly all is black
        _window(0, 65535, whole=True),  # sixteen gray levels of whoever knows no window
    ],
)
def test_views_that_show_nothing_are_left_for_the_next(useless):
    values = _ramp(0, 4095)

    def views(low, high):
        assert (low, high) == (0, 4095)
        return [useless, _window(1000, 2000)]

    shown = render(Values(values, declared=declared_range(16), stretch=True, views=views))
    np.testing.assert_array_equal(shown.pixels, _expected(values, 1000, 2000))
    assert (shown.rule, shown.flags) == ("window", (picture.WINDOW_UNUSABLE,))
    alone = Values(values, stretch=True, views=lambda low, high: [useless])
    shown = render(alone)
    np.testing.assert_array_equal(shown.pixels, _expected(values, 0, 4095))
    assert shown.flags == (picture.WINDOW_UNUSABLE, picture.RANGE_GUESSED)
    shown = render(alone, WINDOW)
    assert np.abs(shown.pixels - _expected(values, useless.low, useless.high)).max() <= 1


@pytest.mark.parametrize("values", [_ramp(980, 1020), np.full((20, 30), 1000, np.uint16)])
def test_a_quiet_image_within_its_window_stays_quiet(values):
    view = _window(0, 2000)
    shown = render(Values(values, stretch=True, views=lambda low, high: [view]))
    np.testing.assert_array_equal(shown.pixels, _expected(values, 0, 2000))
    assert shown.flags == ()


def test_views_are_of_units():
    values = _ramp(0, 2000)
    found = Values(
        values,
        to_units=lambda samples: samples * 2 - 1024,
        views=lambda low, high: [_window(low, high)],
    )
    shown = render(found)
    np.testing.assert_array_equal(shown.pixels, _expected(values, 0, 2000))
    assert (shown.low, shown.high) == (-1024, 2976)


def test_wide_numbers_take_blocks_and_give_the_same(monkeypatch):
    values = _ramp(0, 4_000_000, np.uint32)
    whole = render(Values(values)).pixels
    monkeypatch.setattr(intensity, "_BLOCK", 64)
    np.testing.assert_array_equal(render(Values(values)).pixels, whole)
    sixteen = _ramp(0, 60_000)
    np.testing.assert_array_equal(render(_in_sixteen(sixteen)).pixels, _expected(sixteen, 0, 65535))


def test_settings_are_typed():
    adapter = TypeAdapter(Intensity)
    assert adapter.validate_python("minmax") == MINMAX
    assert adapter.validate_python({"rule": "percentile"}) == ByPercentiles(low=0.5, high=99.5)
    for wrong in (
        "most",
        {"rule": "fixed"},
        {"rule": "fixed", "low": 2, "high": 2},
        {"rule": "percentile", "low": 99, "high": 1},
        {"rule": "auto", "low": 0},
    ):
        with pytest.raises(ValidationError):
            adapter.validate_python(wrong)
