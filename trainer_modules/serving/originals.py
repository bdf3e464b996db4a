"""JPEG and PNG files to what the network sees, exactly as ingestion would have stored them.

Where TensorFlow can't do what ingestion does (other formats, CMYK, low bit depths, several
pictures), the file is refused with a reason. One file's refusal or damage concerns no other.
"""

from __future__ import annotations

import tensorflow as tf

from schemas.documents.cards import GrayLevels, Ingestion
from trainer_modules.input import batches
from trainer_modules.serving import gray_levels, headers
from trainer_modules.serving.headers import Header
from trainer_modules.serving.reader import FileBytes
from trainer_modules.serving.shrink import shrink

# Of models that no run exported.
AS_STORED = Ingestion(
    intensity=GrayLevels(),
    stored_size=0,
    encoding="png",
    jpeg_quality=95,
    max_pixels=100_000_000,
    data={},
)
_SMALLEST_SIDE = 8
_DAMAGED = "unreadable: the image is damaged"
_SEVERAL_POLICIES = "unsupported: trained on data sets with several data.intensity, use predict"
_OTHER_FORMAT = "unsupported: neither JPEG nor PNG, use predict"


def views(
    encoded: tf.Tensor, ingestion: Ingestion | None, size: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """What the network sees of files.

    Args:
        encoded: Bytes of files, [B].
        ingestion: How the run read files.
        size: Side of the views.

    Returns:
        [B, size, size, 3], zeros where a file is refused; and why it is, [B], else empty.
    """
    read = ingestion or AS_STORED
    count = tf.shape(encoded, out_type=tf.int64)[0]

    @tf.autograph.experimental.do_not_convert
    def one(place: tf.Tensor, file: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        return place, *_view(file, read, size)

    # An operation that fails would fail the whole batch; a data set leaves its element out.
    files = tf.data.Dataset.from_tensor_slices(encoded).enumerate()
    found = files.map(one, num_parallel_calls=tf.data.AUTOTUNE).ignore_errors()
    last = tf.data.Dataset.from_tensors((count, tf.zeros([size, size, 3]), tf.constant("")))
    places, pictures, refused = found.concatenate(last).batch(count + 1).get_single_element()
    places = places[:, None]
    all_pictures = tf.scatter_nd(places, pictures, [count + 1, size, size, 3])
    reasons = tf.tensor_scatter_nd_update(tf.fill([count + 1], _DAMAGED), places, refused)
    return tf.ensure_shape(all_pictures[:-1], [None, size, size, 3]), reasons[:-1]


def _view(file: tf.Tensor, read: Ingestion, size: int) -> tuple[tf.Tensor, tf.Tensor]:
    blank = tf.zeros([size, size, 3])
    if read.intensity is None:
        return blank, tf.constant(_SEVERAL_POLICIES)
    content = FileBytes(file)
    is_jpeg = content.starts(0, b"\xff\xd8\xff")
    is_png = content.starts(0, b"\x89PNG\r\n\x1a\n")
    header = tf.cond(
        is_jpeg,
        lambda: headers.jpeg(content),
        lambda: tf.cond(is_png, lambda: headers.png(content), _other),
    )
    refused = _refused(content, header, read)
    picture = tf.cond(
        refused == "", lambda: _picture(file, is_jpeg, header, read, size), lambda: blank
    )
    return tf.ensure_shape(picture, [size, size, 3]), refused


def _other() -> Header:
    zero = tf.constant(0)
    return Header(tf.constant(_OTHER_FORMAT), zero, zero, zero, zero, tf.constant(False))


def _refused(content: FileBytes, header: Header, read: Ingestion) -> tf.Tensor:
    pixels = tf.cast(header.height, tf.int64) * tf.cast(header.width, tf.int64)
    shorter = tf.minimum(header.height, header.width)
    size = tf.where(
        pixels > read.max_pixels,
        f"too_large: data.max_pixels is {read.max_pixels}",
        tf.where(
            shorter < _SMALLEST_SIDE,
            f"too_small: the shortest side must be {_SMALLEST_SIDE} pixels",
            "",
        ),
    )
    why = tf.where(header.refused == "", size, header.refused)
    return tf.where(content.size == 0, "empty: 0 bytes", why)


def _picture(
    file: tf.Tensor, is_jpeg: tf.Tensor, header: Header, read: Ingestion, size: int
) -> tf.Tensor:
    # Gray files, as most medical images are, go through all of it once instead of three times.
    stored = tf.cond(
        header.gray,
        lambda: tf.repeat(_stored(file, is_jpeg, header, read, 1), 3, axis=2),
        lambda: _stored(file, is_jpeg, header, read, 3),
    )
    stored = tf.ensure_shape(stored, [None, None, 3])
    if read.encoding == "jpeg":
        again = tf.io.encode_jpeg(
            stored, format="rgb", quality=read.jpeg_quality, chroma_downsampling=False
        )
        stored = batches.decode_image(again)
    return batches.evaluation_pixels(stored, size)


def _stored(
    file: tf.Tensor, is_jpeg: tf.Tensor, header: Header, read: Ingestion, channels: int
) -> tf.Tensor:
    """Gray or color pixels as they are stored, before encoding."""
    assert read.intensity is not None  # for the type checker
    policy = read.intensity

    def from_jpeg() -> tf.Tensor:
        # The exact method: TensorFlow's default differs from ingestion by some levels.
        pixels = tf.io.decode_jpeg(file, channels=channels, dct_method="INTEGER_ACCURATE")
        return gray_levels.to_bytes(_upright(pixels, header.orientation), policy)

    def from_png(kind: tf.DType) -> tf.Tensor:
        if channels == 1:
            return gray_levels.to_bytes(tf.io.decode_png(file, 1, kind), policy)
        samples = _over_black(tf.io.decode_png(file, 4, kind))
        return gray_levels.to_bytes(samples, policy)

    pixels = tf.cond(
        is_jpeg,
        from_jpeg,
        lambda: tf.cond(header.bits == 16, lambda: from_png(tf.uint16), lambda: from_png(tf.uint8)),
    )
    return shrink(tf.ensure_shape(pixels, [None, None, channels]), read.stored_size)


def _over_black(samples: tf.Tensor) -> tf.Tensor:
    """Colors with alpha [H, W, 4], laid over black as ingestion does it."""
    if samples.dtype == tf.uint16:
        alpha = tf.cast(samples[..., 3:], tf.float64) / 65535
        return tf.cast(tf.cast(samples[..., :3], tf.float64) * alpha, tf.uint16)
    # Pillow's alpha_composite: a rounded product with 7 more bits.
    wide = tf.cast(samples, tf.int32)
    product = wide[..., :3] * wide[..., 3:] * 128 + (128 << 7)
    shift = tf.bitwise.right_shift
    return tf.cast(shift(shift(shift(product, 8) + product, 8), 7), tf.uint8)


def _upright(pixels: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """An image as its EXIF orientation wants it shown."""

    def transposed() -> tf.Tensor:
        return tf.transpose(pixels, [1, 0, 2])

    turns = {
        2: lambda: pixels[:, ::-1],
        3: lambda: pixels[::-1, ::-1],
        4: lambda: pixels[::-1],
        5: transposed,
        6: lambda: transposed()[:, ::-1],
        7: lambda: transposed()[::-1, ::-1],
        8: lambda: transposed()[::-1],
    }
    unturned = len(turns) + 2
    place = tf.where((orientation >= 2) & (orientation <= 8), orientation, unturned)
    branches = {value - 2: turn for value, turn in turns.items()}
    return tf.switch_case(place - 2, branches, default=lambda: pixels)
