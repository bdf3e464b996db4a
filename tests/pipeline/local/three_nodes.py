"""A pipeline of three small nodes: training reads ingestion's examples, and nothing the schema."""

from pathlib import Path

from tfx import v1 as tfx

Examples = tfx.types.standard_artifacts.Examples
Model = tfx.types.standard_artifacts.Model
Schema = tfx.types.standard_artifacts.Schema


@tfx.dsl.components.component
def ImportSchema(schema: tfx.dsl.components.OutputArtifact[Schema]):
    """Makes nothing."""


@tfx.dsl.components.component
def Ingest(examples: tfx.dsl.components.OutputArtifact[Examples]):
    """Writes a file."""
    (Path(examples.uri) / "examples.txt").write_text("three")


@tfx.dsl.components.component
def Train(
    examples: tfx.dsl.components.InputArtifact[Examples],
    model: tfx.dsl.components.OutputArtifact[Model],
):
    """Copies it."""
    text = (Path(examples.uri) / "examples.txt").read_text()
    (Path(model.uri) / "model.txt").write_text(text)


def three_nodes(folder: Path, name: str) -> tfx.dsl.Pipeline:
    """The pipeline, cached, with its metadata in a folder."""
    ingest = Ingest()
    return tfx.dsl.Pipeline(
        pipeline_name=name,
        pipeline_root=str(folder / name),
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            str(folder / "metadata.sqlite")
        ),
        components=[ImportSchema(), ingest, Train(examples=ingest.outputs["examples"])],
        enable_cache=True,
    )
