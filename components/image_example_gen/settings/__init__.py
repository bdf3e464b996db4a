"""Settings of the sources and of how their images become records."""

from components.image_example_gen.settings.data import (
    DataSettings,
    DicomSettings,
    ImageFolderSettings,
    PartSettings,
    SlideSettings,
    SourceName,
    SourceSettings,
    SplitSettings,
    SyntheticSettings,
    TfdsSettings,
    TfrecordSettings,
)
from components.image_example_gen.settings.intensity import IntensitySettings

__all__ = [
    "DataSettings",
    "DicomSettings",
    "ImageFolderSettings",
    "IntensitySettings",
    "PartSettings",
    "SlideSettings",
    "SourceName",
    "SourceSettings",
    "SplitSettings",
    "SyntheticSettings",
    "TfdsSettings",
    "TfrecordSettings",
]
