"""Selects sites of a source, and which of them form the shifted domain."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, BinaryIO

from components.image_example_gen.rows.row import Offer, Row, Source
from components.image_example_gen.settings import SourceSettings
from schemas import features
from schemas.errors import InputError

if TYPE_CHECKING:
    from components.image_example_gen.pixels.picture import Picture


class SelectedSites:
    """A source restricted by `data.sites` and `data.shifted_sites`; row numbers don't change."""

    def __init__(self, source: Source, data: SourceSettings):
        self._source = source
        self._sites = frozenset(data.sites)
        self._shifted = frozenset(data.shifted_sites)

    def check(self) -> None:
        """See `rows.Source`; every site named must occur."""
        self._source.check()
        found = Counter(row.site for row in self._source.rows())
        for setting, names in (("sites", self._sites), ("shifted_sites", self._shifted)):
            unknown = sorted(names - found.keys())
            if unknown:
                shown = ", ".join(sorted(found)[:20])
                raise InputError(
                    f"data.{setting} names '{unknown[0]}', which has no image; sites are {shown}"
                )
        if self._sites and self._shifted - self._sites:
            raise InputError(
                f"data.shifted_sites names '{min(self._shifted - self._sites)}', which data.sites "
                "leaves out"
            )

    def offers(self) -> Offer:
        """See `rows.Source`."""
        return self._source.offers()

    def fingerprint(self) -> str:
        """See `rows.Source`."""
        return self._source.fingerprint()

    def rows(self) -> Iterator[Row]:
        """See `rows.Source`."""
        for row in self._source.rows():
            if self._sites and row.site not in self._sites:
                continue
            if not self._shifted:
                yield row
            elif row.site in self._shifted:
                yield dataclasses.replace(row, domain=features.SHIFTED, split=None)
            else:
                yield dataclasses.replace(row, domain=features.IN_DISTRIBUTION)

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

    def counts(self) -> Mapping[str, int]:
        """See `rows.Source`."""
        return self._source.counts()
