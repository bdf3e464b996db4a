"""A source around another, which answers what the wrapper itself does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, BinaryIO

from components.image_example_gen.rows.row import Offer, Row, Source

if TYPE_CHECKING:
    from components.image_example_gen.pixels.picture import Picture


class WrappedSource:
    """The other source as it is; wrappers override what they change. See `rows.Source`."""

    def __init__(self, source: Source):
        self._source = source

    def check(self) -> None:
        """See `rows.Source`."""
        self._source.check()

    def offers(self) -> Offer:
        """See `rows.Source`."""
        return self._source.offers()

    def fingerprint(self) -> str:
        """See `rows.Source`."""
        return self._source.fingerprint()

    def rows(self) -> Iterator[Row]:
        """See `rows.Source`."""
        return self._source.rows()

    def counts(self) -> Mapping[str, int]:
        """See `rows.Source`."""
        return self._source.counts()

    def where(self, number: int) -> str:
        """See `rows.Source`."""
        return self._source.where(number)

    def patients_advice(self) -> str:
        """See `rows.Source`."""
        return self._source.patients_advice()

    def load(self, image: str, max_pixels: int) -> Picture:
        """See `rows.Source`."""
        return self._source.load(image, max_pixels)

    def original(self, image: str) -> BinaryIO | None:
        """See `rows.Source`."""
        return self._source.original(image)
