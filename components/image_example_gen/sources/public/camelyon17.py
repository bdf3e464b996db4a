"""Source `camelyon17`: whole-slide images of lymph nodes from five hospitals, cut into tiles.

Input: 1,000 pyramidal TIFFs `patient_NNN_node_M.tif`, five for each of 200 patients; cut like
    those of `camelyon16`.
Labels: `tumor`, as in `camelyon16`. Fifty training slides are outlined; the tissue of slides whose
    stage is `negative` is 0, that of others without outlines is unknown, as is tissue outside the
    outlines of `itc` slides, in which not all single cells were outlined.
Metadata: the patient is `patient_NNN`; site `center_0` ... `center_4` (20 patients each, in the
    order of their numbers); subgroups `center`, `slide` (the slide's number in the listing).
Official split: the test patients' stages are not public, so their slides are `unlabeled`; training
    patients are split by `data.split`. Choose shifted hospitals with
    `data.shifted_sites=[center_4]`.
Layout: `data.root` contains the slides at any depth (`training/`, `training/center_0/`, `testing/`,
    `images/`), the outlines as patient_NNN_node_M.xml (`lesion_annotations/`, `annotations/`), and
    stage_labels.csv (or stages.csv).
Citation: Bandi et al., IEEE TMI 2018; Litjens et al., GigaScience 2018.
License: CC0.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from components.image_example_gen.sources.file_source import files_below
from components.image_example_gen.sources.slide_source import Slide, SlideSource
from components.image_example_gen.tables.reader import Table
from schemas import features
from schemas.errors import InputError

_NAME = re.compile(r"^(patient_(\d{3}))_node_\d\.tif$")
_STAGES = ("stage_labels.csv", "stages.csv", "training/stage_labels.csv", "training/stages.csv")
_KNOWN = {"negative", "itc", "micro", "macro"}
_TRAINING_PATIENTS = 100
_PATIENTS_A_CENTER = 20


class Camelyon17Source(SlideSource):
    """Tiles of all slides, in the order of their paths."""

    def find_slides(self) -> Sequence[Slide]:
        """See `SlideSource`."""
        stages = self._stages()
        slides, outlines = {}, {}
        for path in files_below(self._root, ""):
            name = os.path.basename(path)
            if named := _NAME.match(name):
                slides[path] = named
            elif name.endswith(".xml"):
                outlines[os.path.splitext(name)[0]] = path
        if not slides:
            raise InputError(
                f"data.root '{self._root}' contains no slide named patient_NNN_node_M.tif"
            )
        return [self._slide(path, named, stages, outlines) for path, named in slides.items()]

    def tables(self) -> Sequence[str]:
        """See `SlideSource`."""
        table = self._stage_table()
        return (table.path,) if table else ()

    def _slide(
        self, path: str, named: re.Match[str], stages: dict[str, str], outlines: dict[str, str]
    ) -> Slide:
        name = os.path.basename(path)
        patient, digits = named.groups()
        stage = stages.get(name, "")
        annotation = outlines.get(os.path.splitext(name)[0], "")
        exhaustive = stage == "negative" or (bool(annotation) and stage != "itc")
        if os.path.splitext(name)[0] in self._data.slides.partly_annotated:
            exhaustive = False
        number = int(digits)
        return Slide(
            path=path,
            patient=patient,
            center=f"center_{number % _TRAINING_PATIENTS // _PATIENTS_A_CENTER}",
            split=None if number < _TRAINING_PATIENTS else features.UNLABELED,
            annotation=annotation,
            elsewhere=0.0 if exhaustive else None,
        )

    def _stages(self) -> dict[str, str]:
        """Stage of each slide, without the rows of whole patients (`patient_000.zip`, `pN0`)."""
        table = self._stage_table()
        if table is None:
            return {}
        stages = {}
        for number, cells in enumerate(table.rows(("patient", "stage")), start=1):
            name, stage = cells["patient"], cells["stage"].lower()
            if not _NAME.match(name):
                continue
            if stage not in _KNOWN:
                raise table.bad_value(number, "stage", stage, ", ".join(sorted(_KNOWN)))
            stages[name] = stage
        return stages

    def _stage_table(self) -> Table | None:
        for name in _STAGES:
            if os.path.isfile(os.path.join(self._root, name)):
                return Table(self._root, name)
        return None
