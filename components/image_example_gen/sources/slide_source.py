"""Base of the sources that cut whole-slide images into tiles."""

from __future__ import annotations

import abc
import dataclasses
import functools
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, BinaryIO

from components.image_example_gen.decoding import slides
from components.image_example_gen.decoding.polygons import Outlines, read_asap
from components.image_example_gen.rows.row import Offer, Row
from components.image_example_gen.settings import DataSettings
from components.image_example_gen.sources.cached_rows import CachedRows
from components.image_example_gen.tables.columns import UNKNOWN, SubgroupColumn
from components.image_example_gen.tables.label_names import LabelNames
from schemas import features
from schemas.errors import InputError
from trainer_modules.settings import TaskSettings

if TYPE_CHECKING:
    from components.image_example_gen.pixels.picture import Picture

SUBGROUPS = ("center", "slide")
_SAMPLES = 64


@dataclasses.dataclass(frozen=True)
class Slide:
    """A slide and what is known about it.

    Attributes:
        path: relative to data.root.
        patient: its id.
        center: hospital, the site of its tiles.
        split: official split, None if there is none.
        annotation: path of its outlines, relative to data.root; empty if there are none.
        elsewhere: label of tissue outside the outlines, None if unknown.
    """

    path: str
    patient: str
    center: str
    split: str | None
    annotation: str
    elsewhere: float | None


class SlideSource(abc.ABC):
    """Rows of the tiles of all slides, slide by slide."""

    def __init__(self, data: DataSettings, task: TaskSettings):
        self._data = data
        self._task = task
        self._root = data.root
        settings = data.slides
        self._rule = slides.TileRule(
            size=settings.tile_size,
            mpp=settings.mpp,
            overlap=settings.overlap,
            least_tissue=settings.least_tissue,
            most_tiles=settings.most_tiles,
            assumed_mpp=settings.assumed_mpp,
        )
        self._names = LabelNames(["tumor"], data.label_columns)
        self._subgroup_columns = [SubgroupColumn(s, data.subgroup_bins) for s in data.subgroups]
        self._open = slides.OpenSlides()
        self._assumed: set[int] = set()

    @abc.abstractmethod
    def find_slides(self) -> Sequence[Slide]:
        """Lists the slides.

        Raises:
            InputError: the folder does not have the data set's layout.
        """

    def tables(self) -> Sequence[str]:
        """Paths of tables whose bytes enter the fingerprint."""
        return ()

    def check(self) -> None:
        """See `rows.Source`: layout, outlines and resolution of each slide, but no tissue.

        A slide that can't be opened counts as one quarantined image.
        """
        if self._task.classes and self._task.labels:
            raise InputError(
                f"task.kind multiclass: {self._data.source} has one 0/1 label, tumor; use binary"
            )
        self._names.match(self._task.labels, self._data.source)
        for name in self._data.subgroups:
            if name not in SUBGROUPS:
                raise InputError(
                    f"data.subgroups names '{name}', {self._data.source} has {', '.join(SUBGROUPS)}"
                )
        readable = 0
        for number, slide in enumerate(self._slides, start=1):
            if slide.annotation:
                read_asap(os.path.join(self._root, slide.annotation))
            try:
                opened = slides.open_slide(os.path.join(self._root, slide.path))
            except slides.UnreadableSlide:
                continue
            with opened:
                readable += 1
                self._resolution(number, opened)
        if not readable:
            raise InputError(
                f"none of the {len(self._slides)} slides below data.root '{self._root}' can be "
                "opened; complete pyramidal TIFFs are expected"
            )

    def offers(self) -> Offer:
        """See `rows.Source`."""
        return Offer(self._names.known(), frozenset(SUBGROUPS))

    def fingerprint(self) -> str:
        """See `rows.Source`: names, sizes and times; all bytes of tables and outlines."""
        digest = hashlib.sha256()
        for path in self.tables():
            digest.update(_bytes_of(path))
        for slide in self._slides:
            info = os.stat(os.path.join(self._root, slide.path))
            digest.update(f"{slide.path},{info.st_size},{info.st_mtime_ns};".encode())
            if slide.annotation:
                digest.update(_bytes_of(os.path.join(self._root, slide.annotation)))
        return digest.hexdigest()

    def rows(self) -> Iterator[Row]:
        """See `rows.Source`; finds the tissue once."""
        yield from self._cached

    def where(self, number: int) -> str:
        """See `rows.Source`."""
        return f"tile {number}"

    def patients_advice(self) -> str:
        """See `rows.Source`."""
        return "name the patient of each slide"

    def load(self, image: str, max_pixels: int) -> Picture:
        """See `rows.Source`."""
        from components.image_example_gen.decoding import images

        path, _, place = image.rpartition("@")
        full = os.path.join(self._root, path)
        try:
            if not place:
                slides.open_slide(full).close()
                raise images.Rejected(images.UNREADABLE, "the slide is damaged")
            x, y, width, height = (int(part) for part in place.split(","))
            tile = slides.read_tile(self._open.get(full), (x, y), (width, height), self._rule.size)
            return images.Picture(tile)
        except slides.UnreadableSlide as error:
            self._open.drop(full)
            raise images.Rejected(images.UNREADABLE, f"slide: {error}") from None

    def original(self, image: str) -> BinaryIO | None:
        """See `rows.Source`: a tile is not a file."""
        return None

    def counts(self) -> Mapping[str, int]:
        """See `rows.Source`."""
        return {"slides_with_assumed_mpp": len(self._assumed)} if self._assumed else {}

    @functools.cached_property
    def _slides(self) -> list[Slide]:
        if not os.path.isdir(self._root):
            raise InputError(f"data.root '{self._root}' is not a folder: name the data set's")
        found = list(self.find_slides())
        root = os.path.realpath(self._root)
        for number, slide in enumerate(found, start=1):
            real = os.path.realpath(os.path.join(root, slide.path))
            if os.path.commonpath([root, real]) != root:
                raise InputError(
                    f"slide {number} is a link that leads out of data.root; copy it there or name "
                    "its real folder"
                )
        return found

    @functools.cached_property
    def _cached(self) -> CachedRows:
        return CachedRows(self._cut())

    def _cut(self) -> Iterator[Row]:
        number = 0
        for place, slide in enumerate(self._slides, start=1):
            for image, label in self._tiles(place, slide):
                number += 1
                yield self._row(number, place, slide, image, label)

    def _tiles(self, place: int, slide: Slide) -> Iterator[tuple[str, float | None]]:
        """Yields references and labels of a slide's tiles; one without place if it is broken."""
        outlines = Outlines((), ())
        if slide.annotation:
            outlines = read_asap(os.path.join(self._root, slide.annotation))
        try:
            with slides.open_slide(os.path.join(self._root, slide.path)) as opened:
                found = slides.tiles(opened, self._rule, self._resolution(place, opened))
        except slides.UnreadableSlide:
            yield f"{slide.path}@", None
            return
        for tile in found:
            reference = f"{slide.path}@{tile.x},{tile.y},{tile.width},{tile.height}"
            yield reference, self._label(slide, outlines, tile)

    def _label(self, slide: Slide, outlines: Outlines, tile: slides.Tile) -> float | None:
        share = outlines.fraction(tile.x, tile.y, tile.width, tile.height, _SAMPLES)
        if share >= self._data.slides.least_tumor:
            return 1.0
        # At the border of a lesion neither label is right.
        return None if share else slide.elsewhere

    def _row(self, number: int, place: int, slide: Slide, image: str, label: float | None) -> Row:
        about = {"center": slide.center, "slide": str(place)}
        return Row(
            number=number,
            image=image,
            patient_id=slide.patient,
            site=slide.center or UNKNOWN,
            domain=features.IN_DISTRIBUTION,
            split=slide.split if self._data.official_split else None,
            labels=(label,) * len(self._task.labels),
            subgroups=tuple(
                reader.parse(about[name])
                for name, reader in zip(self._data.subgroups, self._subgroup_columns, strict=True)
            ),
            slide_id=os.path.splitext(os.path.basename(slide.path))[0],
        )

    def _resolution(self, number: int, slide: object) -> tuple[float, float]:
        mpp = slides.microns_per_pixel(slide, self._rule.assumed_mpp)
        if mpp is None:
            raise InputError(
                f"slide {number} of data.root does not state a credible size of its pixels: set "
                "data.slides.assumed_mpp, for example 0.25 for a 40x scan",
                local=f"slide '{self._slides[number - 1].path}'",
            )
        if slides.microns_per_pixel(slide, 0) is None:
            self._assumed.add(number)
        return mpp


def _bytes_of(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
