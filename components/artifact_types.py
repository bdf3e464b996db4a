"""Artifact types of the custom components.

`TYPE_NAME` is an import path by which TFX finds the class in a container. TFX accepts only one dot
in it, so the package `components` provides these classes.
"""

from tfx.types import artifact

# What TFX passes to an executor: the artifacts of each input or output.
Artifacts = dict[str, list[artifact.Artifact]]


class IngestReport(artifact.Artifact):
    """Counts and quarantine of an ingestion, and the index of its images, without identities."""

    TYPE_NAME = "components.IngestReport"


class DataGateReport(artifact.Artifact):
    """The checks and findings of DataGate."""

    TYPE_NAME = "components.DataGateReport"


class GateReport(artifact.Artifact):
    """ModelGate's verdict, rule by rule."""

    TYPE_NAME = "components.GateReport"


class RunReport(artifact.Artifact):
    """The page, the model card and the summary of a run."""

    TYPE_NAME = "components.RunReport"


class CellReport(artifact.Artifact):
    """A cell of a study: its training and its predictions."""

    TYPE_NAME = "components.CellReport"


class StudyReport(artifact.Artifact):
    """A study's metrics and page."""

    TYPE_NAME = "components.StudyReport"
