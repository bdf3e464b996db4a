"""The perceptual hash: near for copies, far for other pictures."""

from __future__ import annotations

import csv
import io
import os
import pathlib

import imagehash
import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from components.image_example_gen.decoding.images import store
from components.image_example_gen.decoding.perceptual_hash import BITS, perceptual_hash

NEAR = 16


def picture(seed: int, side: int = 128) -> Image.Image:
    """Smooth synthetic blobs with texture, like a film in its spectrum."""
    noise = np.random.default_rng(seed).normal(size=(side, side))
    blobs = gaussian_filter(noise, 12) * 20 + gaussian_filter(noise, 3) * 2 + noise * 0.05
    return Image.fromarray(np.uint8(np.clip(120 + 60 * blobs / np.abs(blobs).std(), 0, 255)))


def bits(image: Image.Image) -> np.ndarray:
    found = np.frombuffer(bytes.fromhex(perceptual_hash(image)), np.uint8)
    assert found.size * 8 == BITS
    return np.unpackbits(found)


def distance(first: Image.Image, second: Image.Image) -> int:
    return int((bits(first) != bits(second)).sum())


def brighter(image: Image.Image, factor: float) -> Image.Image:
    return Image.fromarray(np.uint8(np.clip(np.asarray(image) * factor, 0, 255)))


def recompressed(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


CHANGES = {
    "half": lambda image: image.resize((image.width // 2, image.height // 2)),
    "enlarged": lambda image: image.resize((image.width * 3 // 2, image.height * 3 // 2)),
    "jpeg": lambda image: recompressed(image, 75),
    "bad jpeg": lambda image: recompressed(image, 40),
    "brighter": lambda image: brighter(image, 1.1),
    "darker": lambda image: brighter(image, 0.8),
    "all": lambda image: recompressed(brighter(image.resize((96, 96)), 0.9), 75),
}


def test_the_hash_is_that_of_imagehash():
    for seed in range(10):
        image = picture(seed, 40 + 9 * seed)
        expected = imagehash.phash(image, hash_size=16, highfreq_factor=2).hash.ravel()
        # Rounding may turn a coefficient that is next to the median.
        assert (bits(image) != expected).sum() <= 1


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_stays_near(change):
    distances = [distance(picture(seed), CHANGES[change](picture(seed))) for seed in range(10)]
    assert max(distances) <= NEAR


def test_other_pictures_are_far():
    hashes = np.array([bits(picture(seed)) for seed in range(40)])
    apart = (hashes[:, None] != hashes[None]).sum(-1)[np.triu_indices(40, 1)]
    assert apart.min() > 2 * NEAR


def test_color_is_of_no_account():
    gray = picture(1)
    assert distance(gray, gray.convert("RGB")) == 0


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_blank_image_has_no_hash(value):
    assert perceptual_hash(Image.new("L", (40, 30), value)) == ""


def test_the_hash_is_of_what_is_stored():
    pixels = np.asarray(picture(2))
    small, large = store(pixels, 64, "png", 95), store(pixels, 0, "png", 95)
    assert large.phash == perceptual_hash(picture(2))
    assert small.phash == perceptual_hash(Image.open(io.BytesIO(small.encoded)))


def test_real_chest_films_of_different_patients_are_far():
    folder = os.environ.get("REMEDIS_TEST_DATA")
    if not folder:
        pytest.skip("REMEDIS_TEST_DATA is not set")
    root = pathlib.Path(folder) / "cxr"
    with open(root / "manifest.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[::8]
    hashes = np.array([bits(Image.open(root / row["image"])) for row in rows], np.float32)
    patients = np.array([row["patient_id"] for row in rows])
    apart = hashes @ (1 - hashes.T)
    apart = (apart + apart.T)[patients[:, None] != patients[None]]
    assert apart.size > 400_000
    assert apart.min() > NEAR
