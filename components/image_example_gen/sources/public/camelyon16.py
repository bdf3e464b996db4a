"""Source `camelyon16`: whole-slide images of sentinel lymph nodes, cut into tiles.

Input: 399 pyramidal TIFFs read by OpenSlide; tissue is found at low power (Otsu on saturation), and
    tiles are cut at `data.slides.mpp` microns per pixel (size, overlap and least tissue beside it).
Labels: `tumor`, from the fraction of a tile that the ASAP outlines cover: 1 from
    `data.slides.least_tumor` on, 0 if none, unknown in between (the border). Tissue outside the
    outlines is unknown in partly outlined slides (`data.slides.partly_annotated`; the data set's
    README lists them) and in test slides without any truth.
Metadata: each slide is from a different patient. Site of the training slides: `rumc` (normal_001
    to 100, tumor_001 to 070) or `umcu` (the rest); unknown for test slides. Subgroups `center`,
    `slide` (the slide's number in the listing).
Official split: training is `train`, testing is `test`; validation is taken from train, by slide.
Layout: `data.root` contains training/normal/*.tif, training/tumor/*.tif, testing/images/*.tif, the
    outlines as *.xml in training/lesion_annotations and testing/lesion_annotations (or beside the
    slides), and, if available, testing/reference.csv. Or, as in the public bucket: all slides in
    images/, the outlines in annotations/, and reference.csv in evaluation/ or data.root; then the
    name says what a slide is.
Citation: Ehteshami Bejnordi et al., JAMA 2017; Litjens et al., GigaScience 2018.
License: CC0.
"""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Sequence

from components.image_example_gen.sources.slide_source import Slide, SlideSource
from schemas import features
from schemas.errors import InputError

# Of the public bucket.
_BUCKET, _OUTLINES = "images", "annotations"
# Folder: what its slides are; those of the bucket are what their names say.
_FOLDERS = {
    "training/normal": "normal",
    "training/tumor": "tumor",
    "testing/images": "test",
    _BUCKET: "",
}
_SPLITS = {"normal": features.TRAIN, "tumor": features.TRAIN, "test": features.TEST}
_ANNOTATIONS = {
    "tumor": ("training/lesion_annotations", "training/tumor", "lesion_annotations", _OUTLINES),
    "test": ("testing/lesion_annotations", "testing/images", "lesion_annotations", _OUTLINES),
}
_REFERENCES = ("testing/reference.csv", "evaluation/reference.csv", "reference.csv")
_NAME = re.compile(r"^(normal|tumor|test)_(\d{3})$")
# The last slide from Radboud in each numbering.
_LAST_OF_RUMC = {"normal": 100, "tumor": 70}


class Camelyon16Source(SlideSource):
    """Tiles of the slides in training/normal, training/tumor and testing/images, or in images."""

    def find_slides(self) -> Sequence[Slide]:
        """See `SlideSource`."""
        truth = self._truth()
        found = []
        for folder, kind in _FOLDERS.items():
            path = os.path.join(self._root, folder)
            # testing/ alone has a folder of this name too.
            beside = os.path.join(self._root, _OUTLINES if folder == _BUCKET else folder)
            if not os.path.isdir(path) or not os.path.isdir(beside):
                continue
            for name in sorted(os.listdir(path)):
                stem, end = os.path.splitext(name)
                if end.lower() in (".tif", ".tiff") and not name.startswith("."):
                    found.append(self._slide(folder, name, stem, kind or _kind(name), truth))
        if not found:
            raise InputError(
                f"data.root '{self._root}' contains no slide in {', '.join(_FOLDERS)}: name the "
                f"folder above training/, or the one above {_BUCKET}/ and {_OUTLINES}/"
            )
        twice = [
            stem for stem, count in Counter(slide.patient for slide in found).items() if count > 1
        ]
        if twice:
            raise InputError(
                f"data.root '{self._root}' contains '{twice[0]}' twice, in {_BUCKET}/ and below "
                "training/ or testing/: keep one layout"
            )
        return found

    def tables(self) -> Sequence[str]:
        """See `SlideSource`."""
        paths = (os.path.join(self._root, name) for name in _REFERENCES)
        return [path for path in paths if os.path.isfile(path)][:1]

    def _slide(self, folder: str, name: str, stem: str, kind: str, truth: dict[str, str]) -> Slide:
        annotation = self._annotation(kind, stem)
        if kind == "tumor" and not annotation:
            place = _OUTLINES if folder == _BUCKET else "training/lesion_annotations"
            raise InputError(
                f"{folder}/{name} has no outlines: add {stem}.xml to {place} "
                "(lesion_annotations.zip of the data set)"
            )
        known = kind != "test" or bool(annotation) or truth.get(stem) == "normal"
        if stem in self._data.slides.partly_annotated:
            known = False
        return Slide(
            path=f"{folder}/{name}",
            patient=stem,
            center=_center(stem),
            split=_SPLITS[kind],
            annotation=annotation,
            elsewhere=0.0 if known else None,
        )

    def _annotation(self, kind: str, stem: str) -> str:
        for place in _ANNOTATIONS.get(kind, ()):
            path = f"{place}/{stem}.xml"
            if os.path.isfile(os.path.join(self._root, path)):
                return path
        return ""

    def _truth(self) -> dict[str, str]:
        """Slide-level labels of the test slides; the file has no header."""
        for path in self.tables():
            with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
                rows = [cells for cells in csv.reader(file) if len(cells) >= 2]
            return {os.path.splitext(c[0].strip())[0]: c[1].strip().lower() for c in rows}
        return {}


def _kind(name: str) -> str:
    """What a slide of the bucket is."""
    match = _NAME.match(os.path.splitext(name)[0])
    if not match:
        raise InputError(
            f"{_BUCKET}/{name}: the names of CAMELYON16's slides are normal_NNN, tumor_NNN and "
            "test_NNN"
        )
    return match[1]


def _center(stem: str) -> str:
    match = _NAME.match(stem)
    if not match or match[1] not in _LAST_OF_RUMC:
        return ""
    return "rumc" if int(match[2]) <= _LAST_OF_RUMC[match[1]] else "umcu"
