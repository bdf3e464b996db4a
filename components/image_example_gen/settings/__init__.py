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
from components.image_example_gen.settings.intensity import (
    ByLimits,
    ByPercentiles,
    ByRule,
    Intensity,
)

__all__ = [
    "ByLimits",
    "ByPercentiles",
    "ByRule",
    "DataSettings",
    "DicomSettings",
    "ImageFolderSettings",
    "Intensity",
    "PartSettings",
    "SlideSettings",
    "SourceName",
    "SourceSettings",
    "SplitSettings",
    "SyntheticSettings",
    "TfdsSettings",
    "TfrecordSettings",
]
