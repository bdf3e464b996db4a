"""Image quality: each measurement against NumPy and SciPy, each flag on images that need it."""

from __future__ import annotations

import csv
import os
import pathlib

import numpy as np
import pytest
from PIL import Image, ImageFilter
from scipy import ndimage, stats

from components.image_example_gen.decoding.image_quality import flags, measure
from components.image_example_gen.decoding.images import store
from components.image_example_gen.pixels import picture
from schemas.documents.ingest import QUALITY_FLAGS

RNG = np.random.default_rng(0)


def textured(height: int, width: int) -> np.ndarray:
    """Edges of all orientations: overlapping discs."""
    y, x = np.mgrid[:height, :width]
    pixels = np.zeros((height, width))
    rng = np.random.default_rng(1)
    for _ in range(60):
        row, column = rng.integers(0, height), rng.integers(0, width)
        inside = (y - row) ** 2 + (x - column) ** 2 < rng.integers(3, max(4, height // 5)) ** 2
        pixels[inside] = rng.integers(0, 256)
    return pixels.astype(np.uint8)


def blur_effect(gray: np.ndarray, window: int) -> float:
    """The published definition, written with SciPy's filter."""
    found = []
    for axis in (0, 1):
        before = np.abs(np.diff(gray.astype(float), axis=axis))
        mean = ndimage.uniform_filter1d(gray.astype(float), window, axis=axis, mode="reflect")
        lost = np.clip(before - np.abs(np.diff(mean, axis=axis)), 0, None)
        found.append((before.sum() - lost.sum()) / before.sum())
    return max(found)


def flags_of(pixels: np.ndarray) -> set[str]:
    """The flags of quality that ingestion gives."""
    return set(store(pixels, 0, "png", 95).flags).intersection(QUALITY_FLAGS)


def test_the_codes_are_those_of_the_report():
    codes = (
        picture.BLANK, picture.BLURRED, picture.DARK, picture.LOW_INFORMATION, picture.ODD_ASPECT
    )  # fmt: skip
    assert codes == QUALITY_FLAGS


@pytest.mark.parametrize("pixels", [textured(64, 96), RNG.integers(0, 256, (40, 128), np.uint8)])
def test_measurements_are_numpys_and_scipys(pixels):
    measured = measure(Image.fromarray(pixels))
    assert measured.blur == pytest.approx(blur_effect(pixels, 5), abs=1e-9)
    counts = np.bincount(pixels.ravel(), minlength=256)
    assert measured.entropy == pytest.approx(stats.entropy(counts, base=2), abs=1e-9)
    assert measured.brightness * 255 == np.quantile(pixels, 0.99, method="inverted_cdf")
    within = [np.mean((pixels >= low) & (pixels < low + 9)) for low in range(248)]
    assert measured.plain == pytest.approx(max(within))


@pytest.mark.parametrize("size", [(64, 64), (300, 400), (1200, 900)])
def test_a_sharp_image_has_no_flag(size):
    assert flags_of(textured(*size)) == set()
    assert flags_of(np.stack([textured(*size)] * 3, -1)) == set()


@pytest.mark.parametrize("size", [(64, 64), (300, 400), (1200, 900)])
def test_blur(size):
    image = Image.fromarray(textured(*size))
    # 2 pixels of 64, whatever the size.
    soft = image.filter(ImageFilter.GaussianBlur(max(size) / 32))
    assert flags_of(np.asarray(soft)) == {"blurred"}
    measured = [
        measure(image.filter(ImageFilter.GaussianBlur(max(size) / 512 * radius))).blur
        for radius in (0, 2, 4, 8, 16)
    ]
    assert measured == sorted(measured)


def test_a_dark_image():
    assert flags_of(textured(96, 96) // 5) == {"dark"}
    assert flags_of(textured(96, 96) // 3) == set()


def test_a_blank_image_with_a_small_label():
    pixels = np.full((200, 200), 250, np.uint8) - RNG.integers(0, 5, (200, 200), np.uint8)
    pixels[10:20, 10:60] = 0
    assert flags_of(pixels) == {"blank"}
    assert flags_of(np.zeros((50, 50), np.uint8)) == {"blank"}
    pixels[:60] = textured(60, 200)
    assert "blank" not in flags_of(pixels)


def test_little_information():
    # Six levels of equal number have an entropy of 2.58 bits, nine one of 3.17.
    for levels, expected in ((6, {"low_information"}), (9, set())):
        assert flags_of(RNG.integers(0, levels, (100, 100)).astype(np.uint8) * 28) == expected


@pytest.mark.parametrize(
    ("size", "odd"), [((64, 129), True), ((129, 64), True), ((64, 128), False), ((64, 64), False)]
)
def test_an_odd_shape(size, odd):
    assert flags_of(textured(*size)) == ({"odd_aspect"} if odd else set())
    # Of the original, whatever is stored.
    assert ("odd_aspect" in store(textured(*size), 16, "png", 95).flags) is odd


def test_tiny_images_are_not_called_blurred():
    assert measure(Image.fromarray(np.tile(np.arange(12, dtype=np.uint8) * 20, (12, 1)))).blur == 0
    assert "blurred" not in flags(measure(Image.fromarray(textured(15, 15))), 15, 15)


@pytest.mark.skipif("REMEDIS_TEST_DATA" not in os.environ, reason="needs REMEDIS_TEST_DATA")
@pytest.mark.parametrize(("name", "blurred"), [("cxr", 1.0), ("histology", 0.6)])
def test_real_images_have_no_flag_and_blurred_copies_have(name, blurred):
    folder = pathlib.Path(os.environ["REMEDIS_TEST_DATA"]) / name
    with (folder / "manifest.csv").open(newline="") as file:
        paths = [folder / row["image"] for row in csv.DictReader(file)][::40]
    found = []
    for path in paths:
        with Image.open(path) as image:
            image.load()
        assert flags(measure(image), image.width, image.height) == ()
        soft = image.convert("RGB").filter(ImageFilter.GaussianBlur(2))
        found.append("blurred" in flags(measure(soft), image.width, image.height))
    assert np.mean(found) >= blurred
