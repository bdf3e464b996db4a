"""Distances of image statistics against closed forms and SciPy; nearly constant ones are near."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from components.data_gate.checks.distributions import (
    COLUMNS,
    STATISTICS,
    describe,
    distances,
    histogram,
)
from components.data_gate.checks.index import Index
from components.image_example_gen.writing.examples import index_schema

SCALE = 0.01


def of_means(*values: np.ndarray):
    return distances("image/mean", *(histogram("image/mean", {"mean": v}) for v in values))


def of_normals(mean, sd, other_mean, other_sd) -> float:
    """Divergence of two normal distributions in bits, by numerical integration."""

    def integrand(x):
        p, q = stats.norm.pdf(x, mean, sd), stats.norm.pdf(x, other_mean, other_sd)
        middle = (p + q) / 2
        return sum(v * np.log2(v / middle) / 2 for v in (p, q) if v > 0)

    return integrate.quad(integrand, 0, 1, limit=400, points=[mean, other_mean])[0]


@pytest.mark.parametrize("gap", [0.002, 0.005, 0.01, 0.02, 0.05])
def test_two_constants_are_as_far_apart_as_their_gap_in_scales(gap):
    found = of_means(np.full(300, 0.4), np.full(70, 0.4 + gap))
    # A constant becomes a normal distribution of one scale.
    assert found.jensen_shannon == pytest.approx(of_normals(0.4, SCALE, 0.4 + gap, SCALE), abs=0.01)
    expected = 2 * stats.norm.cdf(gap / 2 / SCALE) - 1
    assert found.kolmogorov_smirnov == pytest.approx(expected, abs=0.04)


def test_nearly_constant_values_are_near():
    rng = np.random.default_rng(0)
    near, far = 0.5 + rng.normal(0, 1e-5, 400), 0.501 + rng.normal(0, 1e-5, 400)
    assert stats.ks_2samp(near, far).statistic == 1
    found = of_means(near, far)
    assert found.jensen_shannon < 0.01
    assert found.kolmogorov_smirnov < 0.1
    # One gray level more or less, everywhere; and a pixel more in a height of several hundred.
    assert of_means(np.full(9, 100 / 255), np.full(9, 101 / 255)).jensen_shannon < 0.05
    heights = [histogram("image/height", {"height": np.full(9, h)}) for h in (512.0, 513.0)]
    assert distances("image/height", *heights).jensen_shannon < 0.01


@pytest.mark.parametrize(("mean", "sd"), [(0.45, 0.1), (0.6, 0.1), (0.4, 0.2)])
def test_what_varies_by_much_more_than_the_scale_is_as_scipy_says(mean, sd):
    rng = np.random.default_rng(1)
    near, far = rng.normal(0.4, 0.08, 40_000), rng.normal(mean, sd, 40_000)
    near, far = near[(near > 0) & (near < 1)], far[(far > 0) & (far < 1)]
    found = of_means(near, far)
    assert found.kolmogorov_smirnov == pytest.approx(stats.ks_2samp(near, far).statistic, abs=0.01)
    if sd == 0.1:  # the other one is cut off at 0
        assert found.jensen_shannon == pytest.approx(of_normals(0.4, 0.08, mean, sd), abs=0.01)


def test_apart_the_same_and_nothing():
    low, high = np.linspace(0.1, 0.3, 200), np.linspace(0.6, 0.9, 200)
    assert of_means(low, high) == pytest.approx((1, 1), abs=1e-3)
    assert of_means(low, low) == (0, 0)
    assert of_means(low, np.array([])) is None
    assert of_means(low, np.array([np.nan])) is None


def test_small_samples_of_one_distribution_do_not_drift():
    """The default of `drift_distance` is 0.2."""
    rng = np.random.default_rng(2)
    values = [of_means(*rng.normal(0.4, 0.05, (2, 40))).jensen_shannon for _ in range(100)]
    assert np.quantile(values, 0.95) < 0.2


@pytest.mark.parametrize(
    ("sizes", "far"), [((100, 101), False), ((512, 520), False), ((100, 115), True)]
)
def test_sizes_are_compared_by_their_ratio(sizes, far):
    first, second = (histogram("original/width", {"source_width": np.full(50, s)}) for s in sizes)
    assert (distances("original/width", first, second).jensen_shannon > 0.2) is far


def test_shapes_whatever_the_size():
    rng = np.random.default_rng(3)
    height = rng.integers(200, 900, 300)
    square = histogram("original/aspect_ratio", {"source_height": height, "source_width": height})
    larger = {"source_height": height * 3, "source_width": height * 3}
    wide = {"source_height": height, "source_width": np.round(height * 1.3)}
    name = "original/aspect_ratio"
    assert distances(name, square, histogram(name, larger)).jensen_shannon < 1e-9
    assert distances(name, square, histogram(name, wide)).jensen_shannon > 0.9


def test_values_beyond_the_range_are_counted_at_its_ends():
    counts = histogram("image/std", {"std": np.array([-1.0, 0.2, 3.0])})
    assert (counts[0], counts[-1], counts.sum()) == (1, 1, 3)


def test_splits_are_described_from_the_index(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(4)
    rows = [
        {"split": split, "file_format": name, **{c: float(rng.integers(1, 99)) for c in COLUMNS}}
        for split, name, count in (("train", "PNG gray", 5), ("test", "", 3))
        for _ in range(count)
    ]
    schema = index_schema(("a",), ())
    for place in range(2):
        table = pa.Table.from_pylist(rows[place::2], schema=schema)
        pq.write_table(table, tmp_path / f"index-{place}.parquet")
    found = describe(Index(str(tmp_path)))
    assert {split: dict(one.formats) for split, one in found.items()} == {
        "train": {"PNG gray": 5}, "test": {},
    }  # fmt: skip
    assert all(found["train"].numbers[name].sum() == 5 for name in STATISTICS)
    assert all(found["test"].numbers[name].sum() == 3 for name in STATISTICS)
    widths = np.log2([r["source_width"] for r in rows if r["split"] == "test"])
    expected = np.histogram(widths, STATISTICS["original/width"].bins, (0, 17))[0]
    np.testing.assert_array_equal(found["test"].numbers["original/width"], expected)
