"""Artifact types of the custom components.

`TYPE_NAME` is an import path, by which TFX finds the class in a container; TFX accepts only one dot
in it, so the package hands these classes out.
"""

from tfx.types import artifact

# What TFX hands an executor: the artifacts of each input or output.
Artifacts = dict[str, list[artifact.Artifact]]


class IngestReport(artifact.Artifact):
    """Counts and quarantine of an ingestion, and the index of its images (no identities)."""

    TYPE_NAME = "components.IngestReport"


class DataGateReport(artifact.Artifact):
    """What DataGate checked and found."""

    TYPE_NAME = "components.DataGateReport"


class GateReport(artifact.Artifact):
    """ModelGate's verdict, rule by rule."""

    TYPE_NAME = "components.GateReport"


class RunReport(artifact.Artifact):
    """The page, the model card and the summary of a run."""

    TYPE_NAME = "components.RunReport"


class CellReport(artifact.Artifact):
    """A cell of a study: what it was trained on, and its predictions."""

    TYPE_NAME = "components.CellReport"


class StudyReport(artifact.Artifact):
    """A study's figures and page."""

    TYPE_NAME = "components.StudyReport"
