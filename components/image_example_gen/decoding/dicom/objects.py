"""Tells which files of a folder are DICOM images, and what the others are.

Archives export more than images: reports, presentation states, key objects, plans. These are not
broken images; their headers identify them.
"""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

from components.image_example_gen.decoding.dicom import file as dicom
from components.image_example_gen.decoding.dicom import values

if TYPE_CHECKING:
    from pydicom import Dataset

NOT_DICOM = "not_dicom"
DIRECTORY = "dicomdir"
NO_IMAGE = "no_image"

_TAGS = ("SOPClassUID", "Rows", "Columns")
# Their pixels do not show a patient, but what was drawn or computed on an image of one.
_DERIVED = (
    "SegmentationStorage",
    "LabelMapSegmentationStorage",
    "HeightMapSegmentationStorage",
    "RTDoseStorage",
)


@dataclasses.dataclass(frozen=True)
class Found:
    """What a file is.

    Attributes:
        skipped: why the file is skipped; empty for an image, and for a file that should be one.
        tags: header tags; None if the header can't be read, which decoding will explain.
        frames: number of frames.
    """

    skipped: str
    tags: Dataset | None = None
    frames: int = 1

    def chosen_frames(self, which: str) -> range:
        """The frames that `data.dicom.frames` selects: all, first or middle."""
        middle = self.frames // 2
        chosen = {"first": range(1), "middle": range(middle, middle + 1)}
        return chosen.get(which, range(max(1, self.frames)))


def examine(path: str, names: tuple[str, ...]) -> Found:
    """Determines what a file is, and reads the named tags of an image."""
    if os.path.basename(path).upper() == "DICOMDIR":
        return Found(DIRECTORY)
    if not os.path.isfile(path):
        return Found("")  # to open a pipe would wait for its writer forever
    try:
        with open(path, "rb") as file:
            head = file.read(132)
            if not dicom.is_dicom(head, path):
                # An empty file without a suffix was once an image: archives use such names.
                lost = not head and "." not in os.path.basename(path)
                return Found("" if lost else NOT_DICOM)
            tags = dicom.read_tags(file, (*names, *_TAGS))
            skipped = _no_image(tags)
            several = not skipped and (values.integer(tags, "NumberOfFrames") or 1) > 1
            return Found(skipped, tags, dicom.count_frames(file) if several else 1)
    except Exception:  # noqa: BLE001 (a damaged header raises nearly anything)
        return Found("")


def _no_image(tags: Dataset) -> str:
    """What kind of object this is; empty for an image, and if nothing tells."""
    from pydicom.uid import UID

    meta = getattr(tags, "file_meta", None) or {}
    # A renamed DICOMDIR states its class only in the file meta information.
    uid = UID(str(tags.get("SOPClassUID") or meta.get("MediaStorageSOPClassUID") or "").strip())
    has_pixels = values.integer(tags, "Rows") and values.integer(tags, "Columns")
    told = uid.name if uid and uid.name != uid else "another class of objects"
    if uid.keyword in _DERIVED or (uid and not has_pixels and "Image Storage" not in told):
        return f"{NO_IMAGE}: {told}"
    return ""
