"""Source `synthetic`: patients, visits and findings of two fictitious hospitals.

No row describes a real person. `film` draws the images; this module decides who has what: each
patient has one sex, age and anatomy, several images, and each finding in none or in most of them.
Hospital `synthetic-a` is in distribution. Hospital `synthetic-b` is shifted: it has another scanner
and more disease, to the degree of `data.synthetic.shift`. The data set depends only on
`data.synthetic` and the task, not on the run's seed, which only splits it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import BinaryIO

import numpy as np

from components.image_example_gen.pixels.picture import Picture
from components.image_example_gen.rows.row import Offer, Row
from components.image_example_gen.settings import DataSettings
from components.image_example_gen.synthetic.film import VERSION, draw
from components.image_example_gen.synthetic.findings import FINDINGS
from components.image_example_gen.tables.columns import SubgroupColumn
from schemas import features
from schemas.errors import InputError
from trainer_modules.settings import TaskSettings

SUBGROUPS = ("sex", "age")
_SEED = 20_240_229
_PREVALENCE = 0.35
_MORE_DISEASE = 0.15
# Some images of a patient lack a finding: they were taken before onset or after cure.
_VISIBLE = 0.85


@dataclasses.dataclass(frozen=True)
class Patient:
    """Properties that all of a patient's images share."""

    hospital: int
    number: int
    sex: str
    age: int
    findings: tuple[bool, ...]
    images: tuple[tuple[bool, ...], ...]

    @property
    def seed(self) -> tuple[int, int, int]:
        """Seeds the anatomy."""
        return _SEED, self.hospital, self.number


class SyntheticSource:
    """Rows of the two synthetic hospitals."""

    def __init__(self, data: DataSettings, task: TaskSettings):
        self._data = data
        self._settings = data.synthetic
        self._task = task
        # In a multiclass task, class 0 is a film without finding.
        self._findings = len(task.classes) - 1 if task.classes else len(task.labels)
        self._ages = SubgroupColumn("age", data.subgroup_bins)

    def check(self) -> None:
        """See `rows.Source`: the generator knows the task's findings and subgroups."""
        if self._findings > len(FINDINGS):
            raise InputError(
                f"data.source synthetic draws up to {len(FINDINGS)} findings; the task has "
                f"{self._findings}: shorten task.labels or task.classes"
            )
        unknown = [name for name in self._data.subgroups if name not in SUBGROUPS]
        if unknown:
            raise InputError(
                f"data.subgroups names '{unknown[0]}': data.source synthetic has "
                f"{', '.join(SUBGROUPS)}"
            )
        if "sex" in self._data.subgroup_bins:
            raise InputError("data.subgroup_bins.sex: sex is not a number; give bins only for age")

    def offers(self) -> Offer:
        """See `rows.Source`: findings get the names of the task's labels."""
        return Offer(None, frozenset(SUBGROUPS))

    def fingerprint(self) -> str:
        """See `rows.Source`: covers the settings, which determine everything."""
        settings = [VERSION, self._settings.model_dump(mode="json"), self._findings]
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()

    def rows(self) -> Iterator[Row]:
        """See `rows.Source`."""
        number = 0
        sizes = (self._settings.patients, self._settings.shifted_patients)
        for hospital, (site, domain) in enumerate(
            zip(("synthetic-a", "synthetic-b"), features.DOMAINS, strict=True)
        ):
            for index in range(sizes[hospital]):
                patient = self._patient(hospital, index)
                for image, findings in enumerate(patient.images):
                    number += 1
                    yield Row(
                        number=number,
                        image=f"{hospital}/{index}/{image}",
                        patient_id=f"{site}-{index}",
                        site=site,
                        domain=domain,
                        split=None,
                        labels=self._labels(findings),
                        subgroups=tuple(self._subgroup(patient, s) for s in self._data.subgroups),
                    )

    def where(self, number: int) -> str:
        """See `rows.Source`."""
        return f"image {number}"

    def patients_advice(self) -> str:
        """See `rows.Source`."""
        return "synthetic images have patients"

    def load(self, image: str, max_pixels: int) -> Picture:
        """See `rows.Source`; draws the image from its key alone."""
        hospital, index, place = (int(part) for part in image.split("/"))
        patient = self._patient(hospital, index)
        pixels = draw(
            anatomy_seed=patient.seed,
            image_seed=(*patient.seed, place + 1),
            size=self._settings.image_size,
            sex=patient.sex,
            age=patient.age,
            findings=patient.images[place],
            shift=self._settings.shift if hospital else 0.0,
            marker="R" if hospital and self._settings.shift else "L",
        )
        return Picture(pixels)

    def original(self, image: str) -> BinaryIO | None:
        """See `rows.Source`: films are drawn."""
        return None

    def counts(self) -> Mapping[str, int]:
        """See `rows.Source`."""
        return {}

    def _patient(self, hospital: int, number: int) -> Patient:
        rng = np.random.default_rng((_SEED, hospital, number, 0))
        shift = self._settings.shift if hospital else 0.0
        prevalence = min(0.9, _PREVALENCE + _MORE_DISEASE * shift)
        has = self._draw_findings(rng, prevalence)
        low, high = self._settings.images_per_patient
        images = []
        for _ in range(rng.integers(low, high + 1)):
            visible = rng.random(len(has)) < _VISIBLE
            images.append(tuple(bool(h and v) for h, v in zip(has, visible, strict=True)))
        return Patient(
            hospital=hospital,
            number=number,
            sex="F" if rng.random() < 0.48 else "M",
            age=int(np.clip(rng.normal(56 + 6 * shift, 16), 18, 95)),
            findings=has,
            images=tuple(images),
        )

    def _draw_findings(self, rng: np.random.Generator, prevalence: float) -> tuple[bool, ...]:
        if not self._task.classes:
            return tuple(bool(x) for x in rng.random(self._findings) < prevalence)
        # At most one class, all classes except the first equally often.
        which = rng.integers(len(self._task.classes)) - 1
        return tuple(index == which for index in range(self._findings))

    def _labels(self, findings: tuple[bool, ...]) -> tuple[float, ...]:
        if not self._task.classes:
            return tuple(float(found) for found in findings)
        return (float(findings.index(True) + 1 if any(findings) else 0),)

    def _subgroup(self, patient: Patient, name: str) -> str:
        return patient.sex if name == "sex" else self._ages.parse(str(patient.age))
