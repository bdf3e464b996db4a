"""The registry of sources, and checks that import nothing heavy."""

from __future__ import annotations

import hashlib
import importlib

from components.image_example_gen.rows.identities import Identities
from components.image_example_gen.rows.row import Source
from components.image_example_gen.settings import DataSettings
from components.image_example_gen.sources import spans
from components.image_example_gen.sources.selected_sites import SelectedSites
from schemas.errors import InputError
from trainer_modules.settings import TaskSettings

# data.source -> module and class; imported on demand, so that a source may need heavy libraries.
# Modules have full names, by which the digest of ingestion's code finds them. A new source is a
# module with a class of rows.Source, a line here and a value of settings.SourceName.
_SOURCES = {
    "camelyon16": ("components.image_example_gen.sources.public.camelyon16", "Camelyon16Source"),
    "camelyon17": ("components.image_example_gen.sources.public.camelyon17", "Camelyon17Source"),
    "camelyon17_wilds": (
        "components.image_example_gen.sources.public.camelyon17_wilds",
        "WildsSource",
    ),
    "chexpert": ("components.image_example_gen.sources.public.chexpert", "ChexpertSource"),
    "combined": ("components.image_example_gen.sources.combined", "CombinedSource"),
    "dicom": ("components.image_example_gen.sources.dicom_folder", "DicomSource"),
    "image_folder": ("components.image_example_gen.sources.image_folder", "ImageFolderSource"),
    "manifest": ("components.image_example_gen.sources.manifest", "ManifestSource"),
    "mimic_cxr": ("components.image_example_gen.sources.public.mimic_cxr", "MimicCxrSource"),
    "nih_cxr14": ("components.image_example_gen.sources.public.nih_cxr14", "NihCxr14Source"),
    "patch_camelyon": (
        "components.image_example_gen.sources.public.patch_camelyon",
        "PatchCamelyonSource",
    ),
    "synthetic": ("components.image_example_gen.synthetic.source", "SyntheticSource"),
    "tfds": ("components.image_example_gen.sources.tfds", "TfdsSource"),
    "tfrecord": ("components.image_example_gen.sources.tfrecord", "TfrecordSource"),
}


def open_source(data: DataSettings, task: TaskSettings) -> Source:
    """Returns the source that `data.source` names; reads nothing yet."""
    if data.source not in _SOURCES:
        raise InputError(f"data.source '{data.source}' is not one of {', '.join(_SOURCES)}")
    module, name = _SOURCES[data.source]
    source = getattr(importlib.import_module(module), name)(data, task)
    if data.sites or data.shifted_sites:
        source = SelectedSites(source, data)
    return Identities(source, data)


def check_source(data: DataSettings, task: TaskSettings) -> None:
    """Raises InputError if the data set can't be ingested; imports neither TensorFlow nor TFX.

    Lists the data set, but opens no image: broken ones are quarantined at ingestion.
    """
    open_source(spans.resolved(data), task).check()


def data_fingerprint(data: DataSettings, task: TaskSettings) -> str:
    """Hex digest of the source's content: a different digest means that records may differ."""
    found = spans.resolved(data)
    content = open_source(found, task).fingerprint()
    if found == data:
        return content
    # The same content in a new folder is a new span, which the report must name.
    roots = (found.root, *(part.root for part in found.parts))
    return hashlib.sha256("\n".join((content, *roots)).encode()).hexdigest()
