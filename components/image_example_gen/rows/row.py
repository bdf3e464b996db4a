"""The typed row that every source reduces its data set to: one row per image."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, BinaryIO, Protocol

if TYPE_CHECKING:
    from components.image_example_gen.pixels.picture import Picture


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One image of a source.

    Attributes:
        number: row of the source, counted from 1 (a header is not counted): what reports name,
            because paths and patient ids must not appear in them.
        image: reference that the source's `load` understands: a relative path or generator key.
        patient_id: the source's own id; only its keyed hash leaves ingestion. Empty where the
            source knows none, until `rows.identities` has decided what that means.
        site: hospital, scanner or cohort.
        domain: `in_distribution` or `shifted`.
        split: split that the source gives, None where it gives none.
        labels: one value per `task.labels`, after the uncertain policy; None is unknown.
        subgroups: one value per `data.subgroups`.
        study_id: examination, unique in the data set; only its keyed hash leaves ingestion.
            Empty where the source knows none.
        slide_id: slide that the image was cut from; as `study_id`.
        own_patient: nobody knows the patient, so the image (or its study or slide) counts as one.
    """

    number: int
    image: str
    patient_id: str
    site: str
    domain: str
    split: str | None
    labels: tuple[float | None, ...]
    subgroups: tuple[str, ...]
    study_id: str = ""
    slide_id: str = ""
    own_patient: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Offer:
    """Names that a source knows; None stands for any name.

    Attributes:
        labels: names of `task.labels` it has values for.
        subgroups: names of `data.subgroups` it has values for.
        patients: whether it is a kind of data set that tells patients apart.
    """

    labels: frozenset[str] | None
    subgroups: frozenset[str] | None
    patients: bool = True


class Source(Protocol):
    """What a source provides. Rows stream: no source holds its data set in memory."""

    def check(self) -> None:
        """Raises InputError unless the whole data set can be listed; decodes no image."""

    def offers(self) -> Offer:
        """Labels and subgroups that the data set has; reads table headers at most."""

    def fingerprint(self) -> str:
        """Hex digest that changes whenever ingesting the source could give other records."""

    def rows(self) -> Iterator[Row]:
        """Yields every row, in the same order at every call."""

    def counts(self) -> Mapping[str, int]:
        """What listing met beside images, by kind: files left aside, rows without a file."""

    def where(self, number: int) -> str:
        """Place of a row for messages: its table and row, never a path or an identity."""

    def patients_advice(self) -> str:
        """How the user can say which patient an image is of, where the source doesn't know."""

    def load(self, image: str, max_pixels: int) -> Picture:
        """Decodes one image, and says what had to be guessed.

        Raises:
            images.Rejected: the image has to be quarantined.
        """

    def original(self, image: str) -> BinaryIO | None:
        """Opens the file of an image as it is; None where there is none (slides, arrays).

        Raises:
            OSError: it can't be opened.
        """
