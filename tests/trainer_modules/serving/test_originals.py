"""Files in the graph against ingestion's own decoding of them: the same views, or a refusal."""

import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, PngImagePlugin

from components.image_example_gen.decoding import images
from components.image_example_gen.settings import DataSettings
from pipeline.graph.trainer_config import ingestion_of
from trainer_modules.input import batches
from trainer_modules.serving import originals

pytestmark = pytest.mark.slow

SIZE = 48
POLICIES = {
    "as in the file": {},
    "shrunk": {"stored_size": 64},
    "shrunk, stored as JPEG": {"stored_size": 100, "encoding": "jpeg", "jpeg_quality": 80},
    "minmax": {"intensity": "minmax", "stored_size": 70},
    "percentiles": {"intensity": {"rule": "percentile", "low": 2, "high": 97}},
    "fixed": {"intensity": {"rule": "fixed", "low": 10, "high": 3000}},
    "declared": {"intensity": "declared"},
    "window": {"intensity": "window"},
}
ORIENTATION = 0x0112
XMP = '<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


def noise(height: int, width: int, channels: int, seed: int = 0) -> np.ndarray:
    """Blocks of 9 pixels with noise on them."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 255, (height // 9 + 2, width // 9 + 2, channels))
    pixels = np.kron(blocks, np.ones((9, 9, 1)))[:height, :width]
    return np.clip(pixels + rng.normal(0, 15, pixels.shape), 0, 255).astype(np.uint8)


RGBA = noise(163, 255, 4)
RGB, GRAY = Image.fromarray(RGBA[..., :3]), Image.fromarray(RGBA[..., 0])
DEEP = RGBA[..., 0].astype(np.uint16)


def saved(image: Image.Image, kind: str, **how) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **how)
    return buffer.getvalue()


def exif(orientation: object, order: str = "<") -> Image.Exif:
    made = Image.Exif()
    made.endian = order
    made[0x010F] = "maker"
    made[ORIENTATION] = orientation
    return made


def png_of_16_bits(samples: np.ndarray) -> bytes:
    """Written by hand: Pillow writes no colors of 16 bits."""
    height, width, channels = samples.shape
    color = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    head = struct.pack(">IIBBBBB", width, height, 16, color, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


def text(key: str, value: str, **how) -> PngImagePlugin.PngInfo:
    made = PngImagePlugin.PngInfo()
    made.add_itxt(key, value, **how) if how else made.add_text(key, value)
    return made


def after_start(data: bytes, code: int, body: bytes) -> bytes:
    """A JPEG with one more segment at its beginning."""
    return data[:2] + struct.pack(">BBH", 0xFF, code, len(body) + 2) + body + data[2:]


JPEG = saved(RGB, "JPEG")
SERVED = {
    "JPEG": JPEG,
    "JPEG, half the colors": saved(RGB, "JPEG", subsampling=2),
    "JPEG, gray, bad quality": saved(GRAY, "JPEG", quality=20),
    "JPEG, progressive": saved(RGB, "JPEG", progressive=True),
    "JPEG, RGB": saved(RGB, "JPEG", keep_rgb=True),
    "JPEG, with a comment": saved(RGB, "JPEG", comment=b"hello"),
    "JPEG, tall": saved(Image.fromarray(noise(900, 97, 3)), "JPEG"),
    **{f"EXIF {n}": saved(RGB, "JPEG", exif=exif(n)) for n in range(10)},
    "EXIF, big endian": saved(GRAY, "JPEG", exif=exif(6, ">")),
    "EXIF without orientation": saved(RGB, "JPEG", exif=Image.Exif()),
    "EXIF counts more than XMP": after_start(
        saved(RGB, "JPEG", exif=exif(3)), 0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP.encode()
    ),
    "PNG": saved(RGB, "PNG"),
    "PNG, gray": saved(GRAY, "PNG"),
    "PNG, alpha": saved(Image.fromarray(RGBA), "PNG"),
    "PNG, gray with alpha": saved(Image.fromarray(RGBA).convert("LA"), "PNG"),
    "PNG, palette": saved(RGB.quantize(200), "PNG"),
    "PNG, palette with a transparent color": saved(RGB.quantize(200), "PNG", transparency=3),
    "PNG, text": saved(RGB, "PNG", pnginfo=text("Software", "a scanner")),
    "PNG, XMP without orientation": saved(
        RGB, "PNG", pnginfo=text("XML:com.adobe.xmp", "<x:xmpmeta></x:xmpmeta>", zip=False)
    ),
    "PNG, color profile": saved(RGB, "PNG", icc_profile=b"\0" * 200),
    "PNG, wide": saved(Image.fromarray(noise(33, 2000, 1)[..., 0]), "PNG"),
    "PNG, small": saved(Image.fromarray(RGBA[:40, :50, :3]), "PNG"),
    **{f"PNG, {n} of 16 bits": saved(Image.fromarray(DEEP << n - 8), "PNG") for n in (8, 10, 12)},
    "PNG, 16 bits": saved(Image.fromarray(DEEP * 257), "PNG"),
    "PNG, 16 bits, constant": saved(Image.fromarray(np.full((20, 30), 77, np.uint16)), "PNG"),
    "PNG, colors of 16 bits": png_of_16_bits(RGBA[..., :3].astype(np.uint16) * 16 + 5),
    "PNG, colors of 16 bits, alpha": png_of_16_bits(RGBA.astype(np.uint16) * 257),
}
REFUSED = {
    "CMYK": (saved(RGB.convert("CMYK"), "JPEG"), "unsupported: this kind of JPEG"),
    "several pictures": (
        saved(RGB, "MPO", save_all=True, append_images=[GRAY.convert("RGB")]),
        "unsupported: this kind of JPEG",
    ),
    "orientation in XMP": (
        after_start(JPEG, 0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP.encode()),
        "unsupported: this kind of JPEG",
    ),
    "EXIF cut short": (after_start(JPEG, 0xE1, b"Exif\0\0II*\0\x08\0\0\0\x09\0"), "unsupported"),
    "PNG with orientation": (saved(RGB, "PNG", exif=exif(6)), "unsupported: this kind of PNG"),
    "PNG with orientation in XMP": (
        saved(RGB, "PNG", pnginfo=text("XML:com.adobe.xmp", XMP, zip=False)),
        "unsupported: this kind of PNG",
    ),
    "PNG with compressed XMP": (
        saved(RGB, "PNG", pnginfo=text("XML:com.adobe.xmp", XMP, zip=True)),
        "unsupported: this kind of PNG",
    ),
    "PNG of one bit": (saved(GRAY.convert("1"), "PNG"), "unsupported: this kind of PNG"),
    "PNG with a transparent gray": (
        saved(GRAY, "PNG", transparency=100),
        "unsupported: this kind of PNG",
    ),
    "animation": (
        saved(RGB, "PNG", save_all=True, append_images=[GRAY.convert("RGB")]),
        "unsupported: this kind of PNG",
    ),
    "TIFF": (saved(GRAY, "TIFF"), "unsupported: neither JPEG nor PNG"),
    "BMP": (saved(RGB, "BMP"), "unsupported: neither JPEG nor PNG"),
    "GIF": (saved(RGB.quantize(20), "GIF"), "unsupported: neither JPEG nor PNG"),
    "text": (b"abc", "unsupported: neither JPEG nor PNG"),
    "nothing": (b"", "empty: 0 bytes"),
    "JPEG cut short": (JPEG[:4000], "unreadable"),
    "JPEG without a header's end": (JPEG[:100], "unreadable"),
    "PNG cut short": (SERVED["PNG"][:20000], "unreadable"),
    "PNG with a flipped bit": (
        SERVED["PNG"][:900] + bytes([SERVED["PNG"][900] ^ 8]) + SERVED["PNG"][901:],
        "unreadable",
    ),
    "too small": (saved(GRAY.crop((0, 0, 7, 30)), "PNG"), "too_small"),
    "too large": (saved(Image.new("L", (1100, 1000)), "PNG"), "too_large"),
}


def in_graph(files: list[bytes], data: DataSettings) -> tuple[np.ndarray, list[str]]:
    read = ingestion_of(data)
    call = tf.function(lambda encoded: originals.views(encoded, read, SIZE), autograph=False)
    views, refused = call(tf.constant(files, tf.string))
    return views.numpy(), [reason.decode() for reason in refused.numpy()]


@pytest.mark.parametrize("policy", POLICIES)
def test_files_are_served_as_ingestion_stores_them(policy):
    data = DataSettings(**POLICIES[policy])
    views, refused = in_graph(list(SERVED.values()), data)
    assert dict(zip(SERVED, refused, strict=True)) == dict.fromkeys(SERVED, "")
    different = []
    for name, view in zip(SERVED, views, strict=True):
        pixels = images.read_bytes(SERVED[name], data.max_pixels, data.intensity).pixels
        stored = images.store(pixels, data.stored_size, data.encoding, data.jpeg_quality)
        expected = batches.evaluation_image(tf.constant(stored.encoded), SIZE).numpy()
        if not np.array_equal(view, expected):
            different.append(f"{name}: {np.abs(view - expected).max()}")
    assert not different


def test_files_are_refused_one_by_one():
    # Every other one is good.
    files = [file for bad, _ in REFUSED.values() for file in (bad, SERVED["PNG"])]
    views, refused = in_graph(files, DataSettings(max_pixels=1_000_000))
    reasons = dict(zip(REFUSED, refused[::2], strict=True))
    for name, (_, reason) in REFUSED.items():
        assert reasons[name].startswith(reason), name
    assert set(refused[1::2]) == {""}
    assert (views[::2] == 0).all()
    assert (views[1::2] == views[1]).all()
    assert views[1].max() > 0


def test_no_files_and_files_of_several_policies():
    views, refused = in_graph([], DataSettings())
    assert (views.shape, refused) == ((0, SIZE, SIZE, 3), [])
    read = ingestion_of(DataSettings()).model_copy(update={"intensity": None})
    _, reasons = originals.views(tf.constant([JPEG]), read, SIZE)
    assert b"several data.intensity" in reasons.numpy()[0]


def test_no_damaged_file_is_served_as_something_else():
    """Bytes of files that are served, changed at random places of the header and behind it."""
    rng = np.random.default_rng(5)
    files = []
    for name in ("JPEG", "EXIF 6", "PNG, palette with a transparent color", "PNG, 12 of 16 bits"):
        for _ in range(60):
            damaged = bytearray(SERVED[name])
            damaged[rng.integers(0, 700 if rng.random() < 0.7 else len(damaged))] = rng.integers(
                256
            )
            files.append(bytes(damaged))
    data = DataSettings(max_pixels=1_000_000)
    views, refused = in_graph(files, data)
    wrong = []
    for number, (file, view, reason) in enumerate(zip(files, views, refused, strict=True)):
        if reason:
            continue
        try:
            pixels = images.read_bytes(file, data.max_pixels, data.intensity).pixels
        except images.Rejected as rejected:
            # Checksums of what is beside the pixels are not verified in the graph.
            if rejected.detail != "header is damaged" and "Error" not in rejected.detail:
                wrong.append((number, rejected.detail))
            continue
        stored = images.store(pixels, 0, "png", 95)
        expected = batches.evaluation_image(tf.constant(stored.encoded), SIZE).numpy()
        if not np.array_equal(view, expected):
            wrong.append((number, np.abs(view - expected).max()))
    assert not wrong
    assert 40 < refused.count("") < len(files)
