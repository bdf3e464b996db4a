import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile

from components.image_example_gen.decoding import slides

PURPLE, WHITE = (200, 60, 140), (255, 255, 255)


@pytest.fixture
def write_slide(tmp_path):
    """Writes a tiled TIFF with levels a quarter the size of the one before, as scanners do."""

    def write(image, name="slide.tif", mpp=0.25, levels=3):
        path = tmp_path / name
        with tifffile.TiffWriter(path, bigtiff=True) as writer:
            for level in range(levels):
                resolution = (1e4 / (mpp * 4**level),) * 2 if mpp else None
                writer.write(
                    image[:: 4**level, :: 4**level],
                    tile=(64, 64),
                    photometric="rgb",
                    compression="zlib",
                    resolution=resolution,
                    resolutionunit="CENTIMETER" if mpp else None,
                    subfiletype=1 if level else 0,
                    metadata=None,
                )
        return str(path)

    return write


def _canvas(width=1536, height=1024, tissue=((320, 192, 896, 640),)):
    image = np.full((height, width, 3), WHITE, np.uint8)
    for x0, y0, x1, y1 in tissue:
        image[y0:y1, x0:x1] = PURPLE
    return image


def _rule(**more):
    rule = {"size": 64, "mpp": 0.5, "overlap": 0, "least_tissue": 0.5, "most_tiles": 0}
    return slides.TileRule(**{**rule, "assumed_mpp": 0, **more})


@pytest.mark.parametrize("seed", range(5))
def test_otsu_maximizes_the_variance_between(seed):
    rng = np.random.default_rng(seed)
    values = np.concatenate([rng.normal(40, 12, 3000), rng.normal(150, 30, 1000)])
    values = np.clip(values, 0, 255).astype(int)

    def between(threshold):
        low, high = values[values <= threshold], values[values > threshold]
        return len(low) * len(high) * (low.mean() - high.mean()) ** 2

    best = max(range(values.min(), values.max()), key=between)
    found = slides.otsu(np.bincount(values, minlength=256))
    assert between(found) == pytest.approx(between(best))


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_tissue_map(write_slide, levels):
    with slides.open_slide(write_slide(_canvas(), levels=levels)) as slide:
        tissue = slides.tissue_map(slide)
    expected = np.zeros((32, 48), bool)
    expected[6:20, 10:28] = True
    np.testing.assert_array_equal(tissue, expected)


def test_glass_has_no_tissue(write_slide):
    rng = np.random.default_rng(0)
    glass = rng.integers(245, 256, (512, 512, 3)).astype(np.uint8)
    with slides.open_slide(write_slide(glass)) as slide:
        assert not slides.tissue_map(slide).any()


def test_blocks_meet_without_a_seam(write_slide, monkeypatch):
    path = write_slide(_canvas())
    with slides.open_slide(path) as slide:
        whole = slides.tissue_map(slide)
        monkeypatch.setattr(slides, "_BLOCK_CELLS", 7)
        np.testing.assert_array_equal(slides.tissue_map(slide), whole)


def test_tiles_of_the_tissue(write_slide):
    with slides.open_slide(write_slide(_canvas())) as slide:
        found = slides.tiles(slide, _rule(), (0.25, 0.25))
    # 64 pixels of 0.5 microns are 128 of the slide's; the tissue starts at 320 and 192, half way
    # into a tile, and ends at 896 and 640.
    assert [(t.x, t.y) for t in found] == [
        (x, y) for y in (128, 256, 384, 512) for x in (256, 384, 512, 640, 768)
        if not (x == 256 and y == 128)
    ]  # fmt: skip
    by_corner = {(tile.x, tile.y): tile.tissue for tile in found}
    assert by_corner[384, 256] == 1
    assert by_corner[256, 256] == 0.5
    assert {tile.width for tile in found} == {128}


def test_overlap_minimum_and_most(write_slide):
    with slides.open_slide(write_slide(_canvas())) as slide:
        strict = slides.tiles(slide, _rule(least_tissue=1.0), (0.25, 0.25))
        assert len(strict) == 4 * 3
        overlapping = slides.tiles(slide, _rule(overlap=32, least_tissue=1.0), (0.25, 0.25))
        assert {(b.x - a.x) % 64 for a in overlapping for b in overlapping} == {0}
        assert {(tile.x, tile.y) for tile in strict} < {(tile.x, tile.y) for tile in overlapping}
        few = slides.tiles(slide, _rule(most_tiles=5), (0.25, 0.25))
        fewer = slides.tiles(slide, _rule(most_tiles=3), (0.25, 0.25))
    assert len(few) == 5
    assert set(fewer) < set(few)


def test_tile_has_the_pixels_at_the_wanted_resolution(write_slide):
    # Each 128-pixel square of the slide has a color of its own.
    x, y = np.meshgrid(np.arange(1536) // 128, np.arange(1024) // 128)
    image = np.stack([x * 20, y * 30, np.full_like(x, 90)], axis=-1).astype(np.uint8)
    with slides.open_slide(write_slide(image)) as slide:
        for corner in ((0, 0), (384, 256), (1408, 896)):
            tile = slides.read_tile(slide, corner, (128, 128), 64)
            assert tile.shape == (64, 64, 3)
            expected = (corner[0] // 128 * 20, corner[1] // 128 * 30, 90)
            assert np.abs(tile.astype(int) - expected).max() <= 1


def test_resolution_is_read_assumed_or_unknown(write_slide):
    with slides.open_slide(write_slide(_canvas(256, 256), mpp=0.243)) as slide:
        assert slides.microns_per_pixel(slide, 0) == pytest.approx((0.243, 0.243), rel=1e-3)
    with slides.open_slide(write_slide(_canvas(256, 256), "b.tif", mpp=None)) as slide:
        assert slides.microns_per_pixel(slide, 0.25) == (0.25, 0.25)
        assert slides.microns_per_pixel(slide, 0) is None


@pytest.mark.parametrize(
    ("x", "y"),
    [
        *(("352.8", "352.8"), ("0", "0"), ("-0.25", "-0.25"), ("nan", "nan"), ("0.25", "25")),
        *(("25.4", "25.4"), ("0.25", ""), ("1e9", "0.25"), ("inf", "inf")),
    ],
)
def test_resolutions_that_nobody_scans_at_are_none(x, y):
    told = SimpleNamespace(properties={"openslide.mpp-x": x, "openslide.mpp-y": y})
    assert slides.microns_per_pixel(told, 0) is None
    assert slides.microns_per_pixel(told, 0.25) == (0.25, 0.25)


def test_a_credible_resolution_is_never_replaced():
    told = SimpleNamespace(properties={"openslide.mpp-x": "0.2500", "openslide.mpp-y": "0.2510"})
    assert slides.microns_per_pixel(told, 0.5) == (0.25, 0.251)


def test_what_is_no_slide(tmp_path, write_slide):
    path = tmp_path / "a.tif"
    path.write_bytes(b"II*\0 no slide")
    with pytest.raises(slides.UnreadableSlide):
        slides.open_slide(str(path))
    with pytest.raises(slides.UnreadableSlide):
        slides.open_slide(str(tmp_path / "missing.tif"))


def test_too_coarse_a_slide_is_refused(write_slide):
    with (
        slides.open_slide(write_slide(_canvas(256, 256), mpp=4)) as slide,
        pytest.raises(slides.UnreadableSlide, match=r"4 microns are too coarse for 0.5"),
    ):
        slides.tiles(slide, _rule(), (4.0, 4.0))


def test_a_header_that_lies_is_not_believed(write_slide):
    path = write_slide(_canvas(256, 256), levels=1)
    data = bytearray(Path(path).read_bytes())
    with tifffile.TiffFile(path) as file:
        tags = file.pages[0].tags
        places = {name: tags[name].valueoffset for name in ("ImageWidth", "ImageLength")}
    for place in places.values():
        data[place : place + 4] = (2_000_000).to_bytes(4, "little")
    Path(path).write_bytes(data)
    with pytest.raises(slides.UnreadableSlide):
        slides.open_slide(path)


def test_a_truncated_slide_says_so(write_slide):
    noise = np.random.default_rng(0).integers(0, 256, (512, 512, 3)).astype(np.uint8)
    path = write_slide(noise, levels=1)
    with open(path, "r+b") as file:
        file.seek(3000)
        file.write(b"\0" * 200_000)
    with pytest.raises(slides.UnreadableSlide), slides.open_slide(path) as slide:
        slides.tissue_map(slide)


def test_a_tile_without_a_near_level_is_refused(write_slide):
    with (
        slides.open_slide(write_slide(_canvas(256, 256), levels=1)) as slide,
        pytest.raises(slides.UnreadableSlide, match="no level near"),
    ):
        slides.read_tile(slide, (0, 0), (20_000, 20_000), 64)


def test_open_slides_are_few(write_slide, tmp_path):
    paths = [write_slide(_canvas(128, 128), f"{n}.tif", levels=1) for n in range(6)]
    keeper = slides.OpenSlides()
    for path in paths:
        keeper.get(path)
    assert len(keeper._open) == 4
    assert keeper.get(paths[5]) is keeper.get(paths[5])
    keeper.drop(paths[5])
    assert len(keeper._open) == 3


LARGE = """
import resource, sys
from components.image_example_gen.decoding import slides

with slides.open_slide(sys.argv[1]) as slide:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rule = slides.TileRule(256, 0.5, 0, 0.5, 50, 0)
    for tile in slides.tiles(slide, rule, (0.25, 0.25)):
        slides.read_tile(slide, (tile.x, tile.y), (tile.width, tile.height), 256)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((after - before) // 1024)
"""


@pytest.mark.slow
def test_memory_does_not_follow_the_slide(tmp_path):
    # 800 MB of pixels; without levels of lower power, so that all of them have to be read.
    side, tile = 16_384, np.full((1024, 1024, 3), PURPLE, np.uint8)
    tile[:, ::2] = WHITE
    path = tmp_path / "large.tif"
    tifffile.imwrite(
        path,
        (tile for _ in range((side // 1024) ** 2)),
        shape=(side, side, 3),
        dtype=np.uint8,
        tile=(1024, 1024),
        photometric="rgb",
        compression="zlib",
        bigtiff=True,
        resolution=(40_000, 40_000),
        resolutionunit="CENTIMETER",
    )
    root = Path(__file__).resolve().parents[4]
    done = subprocess.run(
        [sys.executable, "-c", LARGE, str(path)], cwd=root, capture_output=True, text=True
    )
    assert done.stdout, done.stderr
    assert int(done.stdout) < 250
