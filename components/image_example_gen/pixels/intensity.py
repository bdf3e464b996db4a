"""Maps stored values to 256 gray levels, with one policy for all formats.

A decoder describes its result as `Values`; `render` chooses the range by the policy
(`data.intensity`, docs/intensity.md), and reports what it guessed. Integers of up to 16 bits are
mapped by a table of all their values, so that no floating-point copy of the image is needed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from components.image_example_gen.pixels import picture
from components.image_example_gen.pixels.picture import Picture
from components.image_example_gen.settings import ByLimits, ByPercentiles, ByRule, Intensity

AUTO = ByRule()

# Common depths of detectors and formats.
_DEPTHS = (8, 10, 12, 14, 16)
# Integers whose range is at most this large are mapped by a table.
_LARGEST_TABLE = 1 << 17
_BLOCK = 1 << 20
# A picture needs at least this many gray levels, if its values have as many.
_LEAST_LEVELS, _MANY_VALUES, _SOME_VALUES = 32, 64, 32
# A view misses the values if it clips this fraction of the pixels at one end, and shows the others
# in fewer than this many gray levels.
_CLIPPED, _LEAST_SPREAD = 0.9, 16

Shade = Callable[[np.ndarray], np.ndarray]
"""Maps units to brightness: 0 is black, 1 is white, and values beyond are clipped."""


@dataclasses.dataclass(frozen=True)
class View:
    """A window or VOI table of a file.

    Attributes:
        name: `window` or `VOI table`.
        low: unit that becomes black.
        high: unit that becomes white.
        shade: maps units to brightness.
        guessed: whether its range differs from what the file declares.
        whole: whether it spans all that the allocated bits can hold, which software without a
            window writes.
    """

    name: str
    low: float
    high: float
    shade: Shade
    guessed: bool = False
    whole: bool = False


@dataclasses.dataclass
class Values:
    """Samples as they are stored, and what their file says about them.

    Attributes:
        samples: [height, width], or with a last axis of 3 colors; whole numbers or floats.
        declared: units of black and white by the declared bits, if there are any.
        container: whether the declared bits are only what the format must allocate, so that
            fewer may be in use.
        stretch: whether values have no natural zero, so that their own range is shown if
            nothing else is declared (DICOM of more than 8 bits).
        to_units: converts samples to the units of the views (the modality transform).
        views: returns the file's windows and tables in order of preference, given the
            smallest and the largest unit.
        padding: mask of pixels outside the image; shown black.
        inverted: whether small values are white.
        flags: what the decoder guessed.
    """

    samples: np.ndarray
    declared: tuple[float, float] | None = None
    container: bool = False
    stretch: bool = False
    to_units: Callable[[np.ndarray], np.ndarray] = lambda samples: samples
    views: Callable[[float, float], Sequence[View]] = lambda low, high: ()
    padding: np.ndarray | None = None
    inverted: bool = False
    flags: tuple[str, ...] = ()


@dataclasses.dataclass
class _Range:
    """The chosen range."""

    rule: str
    low: float
    high: float
    shade: Shade | None = None
    flags: tuple[str, ...] = ()

    def to_bytes(self, units: np.ndarray) -> np.ndarray:
        shown = self.shade(units) if self.shade else _linear(units, self.low, self.high)
        return _bytes(shown)


def declared_range(bits: int, signed: bool = False) -> tuple[float, float]:
    """Smallest and largest number of this many bits."""
    return (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1) if signed else (0.0, 2.0**bits - 1)


def guessed_depth(largest: float) -> int:
    """The smallest common depth that holds a largest value; 0 if none does."""
    return next((depth for depth in _DEPTHS if largest < 2**depth), 0)


def render(values: Values, policy: Intensity = AUTO) -> Picture:
    """Shows values by a policy."""
    padding = values.padding
    if padding is not None and padding.all():
        padding = None
    levels = _levels(values, padding)
    if not len(levels.units):
        # Every pixel is padding or not a number.
        blank = np.zeros(values.samples.shape, np.uint8)
        return Picture(blank, "values", 0.0, 0.0, values.inverted, values.flags)
    chosen = _choose(values, levels, policy)
    pixels = levels.apply(chosen.to_bytes)
    if values.inverted:
        np.subtract(255, pixels, out=pixels)
    if padding is not None:
        pixels[padding] = 0
    if levels.holes is not None:
        pixels[levels.holes] = 0
    flags = tuple(dict.fromkeys((*values.flags, *chosen.flags)))
    return Picture(pixels, chosen.rule, chosen.low, chosen.high, values.inverted, flags)


def _choose(values: Values, levels: _Levels, policy: Intensity) -> _Range:
    low, high = levels.low, levels.high
    if isinstance(policy, ByLimits):
        return _Range("fixed", policy.low, policy.high)
    if isinstance(policy, ByPercentiles):
        return _Range("percentiles", *levels.percentiles(policy.low, policy.high))
    if policy.rule == "minmax":
        return _Range("values", low, high)
    if policy.rule == "declared" and values.declared:
        return _Range("declared", *values.declared)
    flags: tuple[str, ...] = ()
    if policy.rule != "declared":
        for view in values.views(low, high):
            if policy.rule == "window" or _shows(view, levels):
                if view.guessed:
                    flags = (*flags, picture.RANGE_GUESSED)
                return _Range(view.name, view.low, view.high, view.shade, flags)
            flags = (picture.WINDOW_UNUSABLE,)
    found = _without_view(values, levels)
    found.flags = (*flags, *found.flags)
    return found


def _without_view(values: Values, levels: _Levels) -> _Range:
    """The range of values if neither a setting nor a window of the file decides it."""
    low, high = levels.low, levels.high
    flags = [picture.RANGE_GUESSED]
    depth = guessed_depth(high) if levels.whole_numbers and low >= 0 else 0
    if values.declared:
        black, white = values.declared
        inside = black <= low and high <= white
        if inside and (black, white) == (0, 255):
            return _Range(picture.AS_STORED, black, white)
        # 15 bits fill a container of 16; larger ones may leave half of their range empty.
        needed = 2.0**depth - 1 if depth else 2 * high
        if inside and not values.stretch and (needed >= white or not values.container):
            return _Range(_declared(white), black, white)
        if not inside:
            flags.append(picture.BITS_EXCEEDED)
    if depth and not values.stretch:
        return _Range(f"guessed {depth} bits", *declared_range(depth), flags=tuple(flags))
    if not levels.whole_numbers and not values.stretch and low >= 0 and high <= 1:
        return _Range("0 to 1", 0.0, 1.0, flags=tuple(flags))
    return _Range("values", low, high, flags=tuple(flags))


def _declared(white: float) -> str:
    bits = int(white + 1).bit_length() - 1
    return f"declared {bits} bits" if white + 1 == 2**bits else f"declared 0 to {white:g}"


def _shows(view: View, levels: _Levels) -> bool:
    """Whether a view distinguishes the values, as far as they differ."""
    if len(levels.units) < 2:
        return True
    shown = _bytes(view.shade(levels.units))
    found = len(np.unique(shown))
    if found == 1 or (found == 2 and len(levels.units) >= _SOME_VALUES):
        return False
    if view.whole and found < _LEAST_LEVELS and len(levels.units) >= _MANY_VALUES:
        return False
    spread = int(shown.max()) - int(shown.min())
    clipped = max(levels.weights[shown == end].sum() for end in (0, 255))
    return spread >= _LEAST_SPREAD or clipped < _CLIPPED * levels.weights.sum()


class _Levels:
    """The distinct values of an image in units, how often each occurs, and their mapping.

    Attributes:
        units: distinct values, or a sample of them if there are too many to count.
        weights: how often each of them occurs.
        low: the smallest of all.
        high: the largest of all.
        whole_numbers: whether samples are integers.
        holes: mask of samples that are not finite.
    """

    units: np.ndarray
    weights: np.ndarray
    low: float
    high: float
    whole_numbers: bool
    holes: np.ndarray | None = None

    def apply(self, to_bytes: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Maps every sample."""
        raise NotImplementedError

    def percentiles(self, *percents: float) -> tuple[float, float]:
        """Values that these percentages of the pixels do not exceed."""
        order = np.argsort(self.units)
        reached = self.weights[order].cumsum() / self.weights.sum()
        places = np.searchsorted(reached, np.array(percents) / 100 - 1e-12)
        low, high = self.units[order][np.minimum(places, len(order) - 1)]
        return float(low), float(high)


def _levels(values: Values, padding: np.ndarray | None) -> _Levels:
    samples = values.samples
    if samples.dtype.kind in "iub":
        low, high = int(samples.min()), int(samples.max())
        if high - low < _LARGEST_TABLE:
            return _Counted(values, padding, low, high)
    return _Sampled(values, padding)


class _Counted(_Levels):
    """Integers whose range is small enough for a table."""

    def __init__(self, values: Values, padding: np.ndarray | None, low: int, high: int):
        self.whole_numbers = True
        self._samples, self._first = values.samples, low
        self._units = values.to_units(np.arange(low, high + 1, dtype=np.float64))
        counts = np.zeros(high - low + 1, np.int64)
        for block in _blocks(self._samples):
            places = self._samples[block]
            if padding is not None:
                places = places[~padding[block]]
            counts += np.bincount(self._places(places).ravel(), minlength=len(counts))
        used = counts > 0
        self.units, self.weights = self._units[used], counts[used]
        if len(self.units):
            self.low, self.high = float(self.units.min()), float(self.units.max())

    def apply(self, to_bytes: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        table = to_bytes(self._units)
        pixels = np.empty(self._samples.shape, np.uint8)
        for block in _blocks(self._samples):
            np.take(table, self._places(self._samples[block]), out=pixels[block])
        return pixels

    def _places(self, samples: np.ndarray) -> np.ndarray:
        return samples.astype(np.intp) - self._first


class _Sampled(_Levels):
    """Floats, and integers of a large range: mapped one by one, counted in a sample."""

    def __init__(self, values: Values, padding: np.ndarray | None):
        self.whole_numbers = values.samples.dtype.kind in "iu"
        self._samples, self._to_units = values.samples, values.to_units
        self.low, self.high = np.inf, -np.inf
        step = max(1, values.samples.size // _BLOCK)
        parts = []
        for block in _blocks(self._samples):
            units = self._in_units(block)
            finite = np.isfinite(units)
            if not finite.all():
                if self.holes is None:
                    self.holes = np.zeros(self._samples.shape, bool)
                self.holes[block] = ~finite
            if padding is not None:
                # One mask for all colors.
                finite &= ~padding[block].reshape(*padding[block].shape, *[1] * (units.ndim - 2))
            units = units[finite]
            if units.size:
                self.low = min(self.low, float(units.min()))
                self.high = max(self.high, float(units.max()))
                parts.append(units[::step])
        found = np.concatenate(parts) if parts else np.empty(0)
        self.units, self.weights = np.unique(found, return_counts=True)

    def apply(self, to_bytes: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        pixels = np.empty(self._samples.shape, np.uint8)
        for block in _blocks(self._samples):
            units = self._in_units(block)
            finite = np.nan_to_num(units, nan=self.low, posinf=self.high, neginf=self.low)
            pixels[block] = to_bytes(finite)
        return pixels

    def _in_units(self, block: slice) -> np.ndarray:
        with np.errstate(all="ignore"):
            return self._to_units(self._samples[block].astype(np.float64))


def _blocks(samples: np.ndarray) -> Iterator[slice]:
    """Yields slices of rows with about a million samples each."""
    rows = max(1, _BLOCK // max(1, samples[0].size))
    for start in range(0, len(samples), rows):
        yield slice(start, start + rows)


def _linear(units: np.ndarray, low: float, high: float) -> np.ndarray:
    return (units - low) / (high - low) if high > low else np.zeros(units.shape)


def _bytes(shown: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(shown * 255), 0, 255).astype(np.uint8)
