"""Selects sites of a source, and which of them form the shifted domain."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator

from components.image_example_gen.rows.row import Row, Source
from components.image_example_gen.rows.wrapped import WrappedSource
from components.image_example_gen.settings import SourceSettings
from schemas import features
from schemas.errors import InputError


class SelectedSites(WrappedSource):
    """A source restricted by `data.sites` and `data.shifted_sites`; row numbers don't change."""

    def __init__(self, source: Source, data: SourceSettings):
        super().__init__(source)
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
