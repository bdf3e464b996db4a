"""Source `combined`: several data sets in one run, listed in `data.parts`.

Each part is a data set with a role: `in_distribution` (its own splits, or those of `data.split`),
`shifted` (all of it), or `unlabeled` (all of it joins the unlabeled split, without labels).
Shifted images of an `in_distribution` part stay shifted.

An in-distribution part must have all of `task.labels`, a shifted one at least one of them (a label
that it lacks is unknown there), an unlabeled one none. A subgroup that a part lacks is `unknown`.
Rows are numbered across the parts, in the order of the list. The same patient id in two data sets
means two patients, unless their parts share a `name`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, BinaryIO

from components.image_example_gen.rows.row import Offer, Row, Source
from components.image_example_gen.settings import DataSettings, PartSettings
from components.image_example_gen.tables.columns import UNKNOWN
from schemas import features
from schemas.errors import InputError
from trainer_modules.settings import TaskSettings

if TYPE_CHECKING:
    from components.image_example_gen.pixels.picture import Picture

_SHIFTED, _UNLABELED = "shifted", "unlabeled"


class CombinedSource:
    """Rows of all parts, one part after the other."""

    def __init__(self, data: DataSettings, task: TaskSettings):
        self._data = data
        self._task = task
        self._parts = [_Part(n, part, data, task) for n, part in enumerate(data.parts)]

    def check(self) -> None:
        """See `rows.Source`; errors name the part."""
        for name in self._data.subgroups:
            if not any(part.has_subgroup(name) for part in self._parts):
                raise InputError(f"data.subgroups names '{name}', which no part of data.parts has")
        for part in self._parts:
            part.check()

    def offers(self) -> Offer:
        """See `rows.Source`."""
        return Offer(frozenset(self._task.labels), frozenset(self._data.subgroups))

    def fingerprint(self) -> str:
        """See `rows.Source`."""
        digest = hashlib.sha256()
        for part in self._parts:
            digest.update(part.fingerprint().encode())
        return digest.hexdigest()

    def rows(self) -> Iterator[Row]:
        """See `rows.Source`."""
        number = 0
        for part in self._parts:
            for row in part.rows():
                number += 1
                yield dataclasses.replace(row, number=number)

    def where(self, number: int) -> str:
        """See `rows.Source`."""
        return f"row {number} of all parts"

    def patients_advice(self) -> str:
        """See `rows.Source`."""
        return "name the patient of each image"

    def load(self, image: str, max_pixels: int) -> Picture:
        """See `rows.Source`."""
        place, _, own = image.partition(":")
        return self._parts[int(place)].load(own, max_pixels)

    def original(self, image: str) -> BinaryIO | None:
        """See `rows.Source`."""
        place, _, own = image.partition(":")
        return self._parts[int(place)].original(own)

    def counts(self) -> Mapping[str, int]:
        """See `rows.Source`; each part's counts under its name."""
        return {
            f"{part.name}: {kind}": count
            for part in self._parts
            for kind, count in part.counts().items()
        }


class _Part:
    """One data set in its role."""

    def __init__(self, place: int, part: PartSettings, data: DataSettings, task: TaskSettings):
        # Imported late: the registry that opens parts also opens this source.
        from components.image_example_gen.sources.registry import open_source

        self._place = place
        self._role = part.role
        self.name = part.name or part.source
        self._title = f"data.parts[{place}] ({self.name})"
        self._task = task
        self._data = data
        self._own = data.of_part(part)
        self._open = open_source
        self._offer: Offer | None = None
        self._source: Source | None = None

    def has_subgroup(self, name: str) -> bool:
        with _naming(self._title):
            offered = self._offered().subgroups
        return offered is None or name in offered

    def check(self) -> None:
        with _naming(self._title):
            if self._role == _SHIFTED and not self._labels():
                raise InputError(
                    f"task.labels {', '.join(self._task.labels)}: this data set has none of them; "
                    "a shifted part is evaluated and needs one; label_columns can map names"
                )
            self._opened().check()

    def fingerprint(self) -> str:
        with _naming(self._title):
            return self._opened().fingerprint()

    def rows(self) -> Iterator[Row]:
        with _naming(self._title):
            labels = {name: place for place, name in enumerate(self._labels())}
            groups = {name: place for place, name in enumerate(self._subgroups())}
            for row in self._opened().rows():
                yield self._row(row, labels, groups)

    def load(self, image: str, max_pixels: int) -> Picture:
        return self._opened().load(image, max_pixels)

    def original(self, image: str) -> BinaryIO | None:
        return self._opened().original(image)

    def counts(self) -> Mapping[str, int]:
        return self._opened().counts()

    def _row(self, row: Row, labels: dict[str, int], groups: dict[str, int]) -> Row:
        domain, split = row.domain, row.split
        if self._role == _SHIFTED:
            domain, split = features.SHIFTED, None
        elif self._role == _UNLABELED:
            domain, split = features.IN_DISTRIBUTION, features.UNLABELED
        return dataclasses.replace(
            row,
            image=f"{self._place}:{row.image}",
            patient_id=self._patient(row),
            study_id=self._named(row.study_id),
            slide_id=self._named(row.slide_id),
            site=self.name if row.site == UNKNOWN else row.site,
            domain=domain,
            split=split,
            labels=tuple(
                row.labels[labels[name]] if name in labels else None for name in self._task.labels
            ),
            subgroups=tuple(
                row.subgroups[groups[name]] if name in groups else UNKNOWN
                for name in self._data.subgroups
            ),
        )

    def _patient(self, row: Row) -> str:
        """Parts of one name share patients, but not images that have the same path in each."""
        own_image = row.own_patient and row.patient_id == row.image
        return f"{self._place}:{row.image}" if own_image else self._named(row.patient_id)

    def _named(self, identity: str) -> str:
        return f"{self.name}\x1f{identity}" if identity else ""

    def _labels(self) -> tuple[str, ...]:
        """Labels that the part must have: all of them if it is in distribution."""
        if self._role == _UNLABELED:
            return ()
        offered = self._offered().labels
        if self._role != _SHIFTED or offered is None:
            return self._task.labels
        return tuple(name for name in self._task.labels if name in offered)

    def _subgroups(self) -> tuple[str, ...]:
        return tuple(name for name in self._data.subgroups if self.has_subgroup(name))

    def _offered(self) -> Offer:
        if self._offer is None:
            self._offer = self._open(self._own, self._task).offers()
        return self._offer

    def _opened(self) -> Source:
        if self._source is None:
            groups = self._subgroups()
            bins = {k: v for k, v in self._own.subgroup_bins.items() if k in groups}
            data = self._own.model_copy(update={"subgroups": groups, "subgroup_bins": bins})
            # A copy without validation: a task needs a label, an unlabeled part has none.
            labels = self._labels()
            own = {k: v for k, v in self._task.uncertain_by_label.items() if k in labels}
            task = self._task.model_copy(update={"labels": labels, "uncertain_by_label": own})
            self._source = self._open(data, task)
        return self._source


@contextlib.contextmanager
def _naming(title: str) -> Iterator[None]:
    """Prefixes the message of an InputError with the part's name."""
    try:
        yield
    except InputError as error:
        if str(error).startswith(title):
            raise
        raise InputError(f"{title}: {error}", local=error.local) from error
