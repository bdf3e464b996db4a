"""What the headers of JPEG and PNG files say, read with TensorFlow's operations alone.

A file is refused unless its header is of the kinds whose decoding is known to give what ingestion
gives: an orientation, a palette or a second picture that went unnoticed would be another image.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from trainer_modules.serving.reader import FileBytes

REFUSED_JPEG = "unsupported: this kind of JPEG is read by predict alone"
REFUSED_PNG = "unsupported: this kind of PNG is read by predict alone"
UNREADABLE = "unreadable: header is damaged"

_SOI, _SOS = 0xD8, 0xDA
_BASELINE, _EXTENDED, _PROGRESSIVE = 0xC0, 0xC1, 0xC2
# Huffman tables, a reserved code, arithmetic conditioning: among the codes of frames, and none.
_NO_FRAME = (0xC4, 0xC8, 0xCC)
_APP1, _APP2 = 0xE1, 0xE2
_ORIENTATION, _SHORT = 0x0112, 3
_ENTRY = 12
# Bytes of a value by its kind; of kinds that there are not, none.
_SIZES = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 0)
_MOST_VALUES = 1 << 20
_MOST_TEXT = 1 << 20


class Header(NamedTuple):
    """Scalars: why a file is refused (empty: it is not), size, EXIF orientation, bits, grayness."""

    refused: tf.Tensor
    height: tf.Tensor
    width: tf.Tensor
    orientation: tf.Tensor
    bits: tf.Tensor
    gray: tf.Tensor


class _Segments(NamedTuple):
    """State of the walk over a JPEG file's segments."""

    place: tf.Tensor
    ended: tf.Tensor
    refused: tf.Tensor
    height: tf.Tensor
    width: tf.Tensor
    # -1 where EXIF has none.
    orientation: tf.Tensor
    gray: tf.Tensor
    exif: tf.Tensor
    xmp: tf.Tensor


class _Chunks(NamedTuple):
    """State of the walk over a PNG file's chunks."""

    place: tf.Tensor
    ended: tf.Tensor
    refused: tf.Tensor
    transparent: tf.Tensor


def jpeg(file: FileBytes) -> Header:
    """Header of a JPEG file of 8 bits, gray or three colors, one picture."""
    no, zero = tf.constant(False), tf.constant(0)
    state = _Segments(tf.constant(2), no, no, zero, zero, tf.constant(-1), no, no, no)
    state = tf.while_loop(
        lambda s: ~s.ended & ~s.refused & (s.place + 4 <= file.size),
        lambda s: (_segment(file, s),),
        (state,),
    )[0]
    # Without an orientation in EXIF, one in XMP counts.
    refused = state.refused | (state.xmp & (state.orientation < 0))
    whole = state.ended & (state.height > 0) & (state.width > 0)
    why = tf.where(refused, REFUSED_JPEG, tf.where(whole, "", UNREADABLE))
    bits = tf.constant(8)
    return Header(why, state.height, state.width, state.orientation, bits, state.gray)


def _segment(file: FileBytes, s: _Segments) -> _Segments:
    code = file.byte(s.place + 1)
    length = file.number(s.place + 2, 2)
    start, end = s.place + 4, s.place + 2 + length
    frame = (code >= 0xC0) & (code <= 0xCF) & _none_of(code, _NO_FRAME)
    read = (code == _BASELINE) | (code == _EXTENDED) | (code == _PROGRESSIVE)
    colors = file.byte(start + 5)
    wrong_frame = frame & (
        ~read | (file.byte(start) != 8) | ((colors != 1) & (colors != 3)) | (s.height > 0)
    )
    app1 = code == _APP1
    exif = app1 & file.starts(start, b"Exif\0\0")
    orientation, odd = tf.cond(
        exif & ~s.exif,
        lambda: _orientation(file, start + 6, end),
        lambda: (s.orientation, exif),
    )
    xmp = app1 & ~exif & file.holds(start, end, "tiff:Orientation")
    several = (code == _APP2) & file.starts(start, b"MPF\0")
    # Fill bytes, markers without a length and anything between segments are not expected here.
    odd_marker = (
        (file.byte(s.place) != 0xFF)
        | (code < 0xC0)
        | (code == 0xFF)
        | ((code >= 0xD0) & (code <= 0xD9))
    )
    return _Segments(
        place=end,
        ended=code == _SOS,
        refused=odd_marker | wrong_frame | odd | several | (length < 2),
        height=tf.where(frame, file.number(start + 1, 2), s.height),
        width=tf.where(frame, file.number(start + 3, 2), s.width),
        orientation=orientation,
        gray=tf.where(frame, colors == 1, s.gray),
        exif=s.exif | exif,
        xmp=s.xmp | xmp,
    )


def _orientation(file: FileBytes, start: tf.Tensor, end: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Orientation in EXIF (-1: none), and whether it can't be told."""
    little = file.starts(start, b"II*\0")
    known = little | file.starts(start, b"MM\0*")
    table = start + tf.clip_by_value(file.number(start + 4, 4, little), 0, 1 << 24)
    count = file.number(table, 2, little)
    known &= (table + 2 + _ENTRY * count <= end) & (table >= start + 8)
    entries = table + 2 + _ENTRY * tf.range(tf.where(known, count, 0))
    kinds, counts = file.number(entries + 2, 2, little), file.number(entries + 4, 4, little)
    place = file.number(entries + 8, 4, little)
    # An entry whose values are not there may hide those behind it.
    size = tf.gather(_SIZES, tf.clip_by_value(kinds, 0, len(_SIZES) - 1)) * counts
    few = (counts >= 0) & (counts <= _MOST_VALUES) & (place >= 0)
    known &= tf.reduce_all(few & ((size <= 4) | (place <= end - start - size)))
    mine = file.number(entries, 2, little) == _ORIENTATION
    found = tf.reduce_sum(tf.cast(mine, tf.int32))
    plain = tf.reduce_all(~mine | ((kinds == _SHORT) & (counts == 1)))
    value = tf.reduce_max(tf.where(mine, file.number(entries + 8, 2, little), -1))
    return tf.maximum(value, -1), ~known | ~plain | (found > 1)


def png(file: FileBytes) -> Header:
    """Header of a PNG file of 8 or 16 bits, without animation or orientation."""
    bits, color = file.byte(24), file.byte(25)
    no = tf.constant(False)
    state = tf.while_loop(
        lambda s: ~s.ended & ~s.refused & (s.place + 12 <= file.size),
        lambda s: (_chunk(file, s),),
        (_Chunks(tf.constant(8), no, no, no),),
    )[0]
    palette = color == 3
    depth = (bits == 8) | ((bits == 16) & ~palette)
    refused = state.refused | ~depth | (state.transparent & ~palette)
    height, width = file.number(20, 4), file.number(16, 4)
    whole = state.ended & file.starts(12, b"IHDR") & (height > 0) & (width > 0)
    why = tf.where(refused, REFUSED_PNG, tf.where(whole, "", UNREADABLE))
    return Header(why, height, width, tf.constant(-1), bits, color == 0)


def _chunk(file: FileBytes, s: _Chunks) -> _Chunks:
    length = file.number(s.place, 4)
    kind, start = file.number(s.place + 4, 4), s.place + 8
    end = start + tf.clip_by_value(length, 0, file.size)

    def has(name: bytes) -> tf.Tensor:
        return kind == int.from_bytes(name, "big")

    text = has(b"tEXt") | has(b"iTXt")
    # Compressed ones may hold an orientation that nothing here can see.
    hidden = file.starts(start, b"XML:com.adobe.xmp\0") & ~file.holds(start, end, "x:xmpmeta")
    bad_text = text & (
        (length > _MOST_TEXT)
        | file.starts(start, b"Raw profile type")
        | hidden
        | file.holds(start, end, "tiff:Orientation")
    )
    animated = has(b"acTL") | has(b"fcTL") | has(b"fdAT")
    return _Chunks(
        place=end + 4,
        ended=has(b"IEND"),
        refused=animated | has(b"eXIf") | has(b"zTXt") | bad_text | (length < 0),
        transparent=s.transparent | has(b"tRNS"),
    )


def _none_of(code: tf.Tensor, codes: tuple[int, ...]) -> tf.Tensor:
    return tf.reduce_all([code != one for one in codes])
