"""Reading numbers and text at places of a file, inside a graph."""

from __future__ import annotations

import re

import tensorflow as tf


class FileBytes:
    """The bytes of a file; beyond its end there are zeros.

    Attributes:
        size: Number of bytes, int32.
    """

    def __init__(self, encoded: tf.Tensor):
        self.encoded = encoded
        self.size = tf.strings.length(encoded)
        # One more, so that a file without bytes can be read too.
        self._bytes = tf.io.decode_raw(tf.strings.join([encoded, "\0"]), tf.uint8)

    def byte(self, place: tf.Tensor | int) -> tf.Tensor:
        """The byte at each place, as int32."""
        place = tf.convert_to_tensor(place)
        inside = (place >= 0) & (place < self.size)
        found = tf.gather(self._bytes, tf.where(inside, place, 0))
        return tf.where(inside, tf.cast(found, tf.int32), 0)

    def number(
        self, place: tf.Tensor | int, count: int, little: tf.Tensor | bool = False
    ) -> tf.Tensor:
        """The whole number of so many bytes at each place, as int32; negative from 2^31 on."""
        powers = [1 << 8 * n for n in range(count)]
        read = self.byte(tf.convert_to_tensor(place)[..., None] + tf.range(count))
        weights = powers[::-1] if little is False else tf.where(little, powers, powers[::-1])
        return tf.reduce_sum(read * weights, axis=-1)

    def starts(self, place: tf.Tensor | int, text: bytes) -> tf.Tensor:
        """Whether this text is at a place."""
        found = self.byte(place + tf.range(len(text)))
        return tf.reduce_all(found == tf.constant(list(text)))

    def holds(self, start: tf.Tensor, end: tf.Tensor, text: str) -> tf.Tensor:
        """Whether this text lies between two places."""
        start = tf.clip_by_value(start, 0, self.size)
        part = tf.strings.substr(self.encoded, start, tf.maximum(end - start, 0))
        return tf.strings.regex_full_match(part, rf"(?s)\C*{re.escape(text)}\C*")
