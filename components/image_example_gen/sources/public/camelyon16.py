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
    slides), and, if available, testing/reference.csv.
Citation: Ehteshami Bejnordi et al., JAMA 2017; Litjens et al., GigaScience 2018.
License: CC0.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Sequence

from components.image_example_gen.sources.slide_source import Slide, SlideSource
from schemas import features
from schemas.errors import InputError

_FOLDERS = (
    ("training/normal", features.TRAIN),
    ("training/tumor", features.TRAIN),
    ("testing/images", features.TEST),
)
_ANNOTATIONS = {
    "training/tumor": ("training/lesion_annotations", "training/tumor", "lesion_annotations"),
    "testing/images": ("testing/lesion_annotations", "testing/images", "lesion_annotations"),
}
_REFERENCE = "testing/reference.csv"
_NAME = re.compile(r"^(normal|tumor|test)_(\d{3})$")
# The last slide from Radboud in each numbering.
_LAST_OF_RUMC = {"normal": 100, "tumor": 70}


class Camelyon16Source(SlideSource):
    """Tiles of the slides in training/normal, training/tumor and testing/images."""

    def find_slides(self) -> Sequence[Slide]:
        """See `SlideSource`."""
        truth = self._reference()
        found = []
        for folder, split in _FOLDERS:
            path = os.path.join(self._root, folder)
            if not os.path.isdir(path):
                continue
            for name in sorted(os.listdir(path)):
                stem, end = os.path.splitext(name)
                if end.lower() in (".tif", ".tiff") and not name.startswith("."):
                    found.append(self._slide(folder, name, stem, split, truth))
        if not found:
            raise InputError(
                f"data.root '{self._root}' contains no slide in "
                f"{', '.join(folder for folder, _ in _FOLDERS)}: name the folder above training/"
            )
        return found

    def tables(self) -> Sequence[str]:
        """See `SlideSource`."""
        path = os.path.join(self._root, _REFERENCE)
        return (path,) if os.path.isfile(path) else ()

    def _slide(self, folder: str, name: str, stem: str, split: str, truth: dict[str, str]) -> Slide:
        annotation = self._annotation(folder, stem)
        if folder == "training/tumor" and not annotation:
            raise InputError(
                f"training/tumor/{name} has no outlines: add {stem}.xml to "
                "training/lesion_annotations (lesion_annotations.zip of the data set)"
            )
        if folder == "testing/images":
            known = bool(annotation) or truth.get(stem) == "normal"
        else:
            known = True
        if stem in self._data.slides.partly_annotated:
            known = False
        return Slide(
            path=f"{folder}/{name}",
            patient=stem,
            center=_center(stem),
            split=split,
            annotation=annotation,
            elsewhere=0.0 if known else None,
        )

    def _annotation(self, folder: str, stem: str) -> str:
        for place in _ANNOTATIONS.get(folder, ()):
            path = f"{place}/{stem}.xml"
            if os.path.isfile(os.path.join(self._root, path)):
                return path
        return ""

    def _reference(self) -> dict[str, str]:
        """Slide-level labels of the test slides; the file has no header."""
        path = os.path.join(self._root, _REFERENCE)
        if not os.path.isfile(path):
            return {}
        with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
            rows = [cells for cells in csv.reader(file) if len(cells) >= 2]
        return {os.path.splitext(cells[0].strip())[0]: cells[1].strip().lower() for cells in rows}


def _center(stem: str) -> str:
    match = _NAME.match(stem)
    if not match or match[1] not in _LAST_OF_RUMC:
        return ""
    return "rumc" if int(match[2]) <= _LAST_OF_RUMC[match[1]] else "umcu"
