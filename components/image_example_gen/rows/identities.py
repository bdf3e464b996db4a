"""Who the patients are: one rule for all sources, applied around each of them.

Every image needs the id of its patient, unless `data.patients` says that images are the patients
or the data set is of a kind that never tells. Ids are NFC-normalized. Ids that are doubtful end
the run before it starts: those that differ only in what spreadsheets and transfers change, and
those that stand for "missing". Messages name rows, never an id.
"""

from __future__ import annotations

import array
import dataclasses
import functools
import hashlib
import posixpath
from collections import Counter
from collections.abc import Iterator, Mapping

from components.image_example_gen.rows.row import Row, Source
from components.image_example_gen.rows.wrapped import WrappedSource
from components.image_example_gen.settings import DataSettings
from components.image_example_gen.tables import patient_ids
from components.image_example_gen.tables.columns import UNKNOWN
from schemas.errors import InputError

# From this fraction of equal values on, a subgroup holds ids: a few ages can equal an id.
_IDS_FRACTION = 0.5


class Identities(WrappedSource):
    """A source whose every row has a patient."""

    def __init__(self, source: Source, data: DataSettings):
        super().__init__(source)
        self._subgroups = data.subgroups
        self._per_image = data.patients == "per_image"
        # Of a combination, the parts have been checked one by one.
        kept = any(part.similar_ids == "distinct" for part in data.parts)
        self._similar = "distinct" if kept else data.similar_ids
        self._ids_not_used = 0

    def check(self) -> None:
        """See `rows.Source`; every patient must be known, and no id doubtful."""
        self._source.check()
        seen = _Seen(len(self._subgroups))
        self._ids_not_used = 0
        for row in self._source.rows():
            self._ids_not_used += self._per_image and bool(row.patient_id) and not row.own_patient
            seen.add(row)
        self._refuse_ids_as_subgroups(seen)
        if not self._per_image:
            self._refuse_images_as_patients(seen)
        if self._similar != "distinct":
            self._refuse_meaningless(seen)
        if self._per_image or not self._told:
            return
        if seen.first_unknown is not None:
            raise self._unknown(seen.first_unknown, seen.unknown, seen.rows)
        if self._similar == "refuse":
            self._refuse_similar(seen)

    def rows(self) -> Iterator[Row]:
        """See `rows.Source`."""
        for row in self._source.rows():
            yield row if row.own_patient else self._identified(row)

    def counts(self) -> Mapping[str, int]:
        """See `rows.Source`."""
        counts = dict(self._source.counts())
        if self._ids_not_used:
            counts["patient_ids_not_used"] = self._ids_not_used
        return counts

    @functools.cached_property
    def _told(self) -> bool:
        """Whether the data set is of a kind that tells patients apart."""
        return self._source.offers().patients

    def _identified(self, row: Row) -> Row:
        patient = patient_ids.normalized(row.patient_id)
        study, slide = map(patient_ids.normalized, (row.study_id, row.slide_id))
        own = self._per_image or not patient
        if own:
            if not self._per_image and self._told:
                raise self._unknown(row, 1, 1)
            # Images of one study or slide are of one patient, whoever that is.
            patient = study or slide or row.image
        elif self._similar == "merge":
            patient = patient_ids.folded(patient)
        if not own and (patient, study, slide) == (row.patient_id, row.study_id, row.slide_id):
            return row
        return dataclasses.replace(
            row, patient_id=patient, study_id=study, slide_id=slide, own_patient=own
        )

    def _unknown(self, row: Row, count: int, rows: int) -> InputError:
        many = f"{self._source.where(row.number)}: no patient id"
        if rows > 1:
            many = f"{count} of {rows} images have no patient id, the first is "
            many += self._source.where(row.number)
        return InputError(
            f"{many}. Without it nobody can tell whether a patient is in two splits: "
            f"{self._source.patients_advice()}. If every image is of another patient, or nobody "
            "knows: data.patients=per_image (overlap is then not checked)",
            local=f"image '{row.image}'",
        )

    def _refuse_meaningless(self, seen: _Seen) -> None:
        for kind, (row, reason) in seen.first_meaningless.items():
            if kind == "patient" and self._per_image:
                continue
            raise InputError(
                f"{self._source.where(row.number)}: the {kind} id {reason} (rows like that: "
                f"{seen.meaningless[kind]}). Fill in the ids; if they are right as they are: "
                "data.similar_ids=distinct",
                local=f"image '{row.image}'",
            )

    def _refuse_similar(self, seen: _Seen) -> None:
        numbers, groups = seen.similar()
        if not groups:
            return
        rows = {row.number: row for row in self._source.rows() if row.number in numbers}
        first, second = (rows[number] for number in numbers)
        how = patient_ids.difference(first.patient_id, second.patient_id)
        more = f", as {groups - 1} more patients' ids do" if groups > 1 else ""
        raise InputError(
            f"{self._source.where(first.number)} and {self._source.where(second.number)}: patient "
            f"ids that differ only in {how}{more}. Are they one patient? Write the ids in one "
            "way, or say so: data.similar_ids=merge (one patient) or data.similar_ids=distinct",
            local=f"images '{first.image}' and '{second.image}'",
        )

    def _refuse_images_as_patients(self, seen: _Seen) -> None:
        if seen.images_as_patients > _IDS_FRACTION * seen.told:
            raise InputError(
                f"the patient ids of {seen.images_as_patients} of {seen.told} rows are the paths "
                "of their images, so nobody can tell whether a patient is in two splits: name the "
                "column of patients (data.columns={patient_id: COLUMN}), or say that nobody knows "
                "them: data.patients=per_image"
            )

    def _refuse_ids_as_subgroups(self, seen: _Seen) -> None:
        if seen.ids_as_sites > _IDS_FRACTION * seen.sites:
            raise InputError(
                f"the sites of {seen.ids_as_sites} of {seen.sites} rows are their ids or paths: "
                "raw ids would be in every record; name the column of hospitals or scanners"
            )
        for name, known, equal in zip(self._subgroups, seen.known, seen.equal, strict=True):
            if known and equal > _IDS_FRACTION * known:
                raise InputError(
                    f"data.subgroups names '{name}', whose values are the ids or paths of "
                    f"{equal} of {known} rows: raw ids would be in every record; name columns "
                    "like sex, age or scanner"
                )


class _Seen:
    """What a pass over the rows shows; 24 bytes for each change of patient."""

    def __init__(self, subgroups: int):
        self.rows = self.unknown = 0
        self.first_unknown: Row | None = None
        self.meaningless: Counter[str] = Counter()
        self.first_meaningless: dict[str, tuple[Row, str]] = {}
        self.known = [0] * subgroups
        self.equal = [0] * subgroups
        self.told = self.images_as_patients = self.sites = self.ids_as_sites = 0
        self._last = ""
        self._keys = array.array("Q")
        self._ids = array.array("Q")
        self._numbers = array.array("Q")

    def add(self, row: Row) -> None:
        self.rows += 1
        self._compare(row)
        for kind, identity in (("study", row.study_id), ("slide", row.slide_id)):
            self._judge(row, kind, identity)
        if row.own_patient:
            return
        if not row.patient_id:
            self.unknown += 1
            self.first_unknown = self.first_unknown or row
            return
        self.told += 1
        self.images_as_patients += row.patient_id == row.image
        self._judge(row, "patient", row.patient_id)
        if row.patient_id != self._last:
            self._last = row.patient_id
            self._keys.append(_digest(patient_ids.folded(row.patient_id)))
            self._ids.append(_digest(patient_ids.normalized(row.patient_id)))
            self._numbers.append(row.number)

    def similar(self) -> tuple[tuple[int, ...], int]:
        """Numbers of the first two rows of similar ids, and how many patients have such."""
        import numpy as np

        keys, ids, numbers = (
            np.frombuffer(column, np.uint64) for column in (self._keys, self._ids, self._numbers)
        )
        order = np.lexsort((numbers, ids, keys))
        keys, ids, numbers = keys[order], ids[order], numbers[order]
        places = np.flatnonzero((keys[1:] == keys[:-1]) & (ids[1:] != ids[:-1]))
        if not places.size:
            return (), 0
        firsts: dict[int, int] = {}
        wanted = int(keys[places[np.argmin(numbers[places])]])
        for identity, number in zip(ids[keys == wanted], numbers[keys == wanted], strict=True):
            firsts.setdefault(int(identity), int(number))
        two = sorted(firsts.values())[:2]
        return tuple(two), len(np.unique(keys[places]))

    def _judge(self, row: Row, kind: str, identity: str) -> None:
        if identity and (reason := patient_ids.meaningless(identity)):
            self.meaningless[kind] += 1
            self.first_meaningless.setdefault(kind, (row, reason))

    def _compare(self, row: Row) -> None:
        ids = {row.patient_id, row.study_id, row.slide_id, row.image}
        if row.site not in ("", UNKNOWN):
            self.sites += 1
            self.ids_as_sites += row.site in ids
        if not row.subgroups:
            return
        # In any spelling, and the name of the image's file.
        stem = posixpath.splitext(posixpath.basename(row.image))[0]
        others = (row.patient_id, row.study_id, row.slide_id, stem)
        spelled = {patient_ids.folded(other) for other in others if other}
        for place, value in enumerate(row.subgroups):
            if value not in ("", UNKNOWN):
                self.known[place] += 1
                self.equal[place] += value in ids or patient_ids.folded(value) in spelled


def _digest(text: str) -> int:
    data = text.encode(errors="surrogateescape")  # file names need not be UTF-8
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")
