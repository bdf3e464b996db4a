"""Artifact types of the custom components.

`TYPE_NAME` is an import path: Kubeflow's TFX entrypoint imports the class by it.
"""

from tfx.types import artifact


class IngestReport(artifact.Artifact):
    """Counts and quarantine of an ingestion, and the index of its images (no identities)."""

    TYPE_NAME = "components.artifact_types.IngestReport"


class DataGateReport(artifact.Artifact):
    """What DataGate checked and found."""

    TYPE_NAME = "components.artifact_types.DataGateReport"


class GateReport(artifact.Artifact):
    """ModelGate's verdict, rule by rule."""

    TYPE_NAME = "components.artifact_types.GateReport"


class RunReport(artifact.Artifact):
    """The page, the model card and the summary of a run."""

    TYPE_NAME = "components.artifact_types.RunReport"
