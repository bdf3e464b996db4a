"""The nodes up to the pretrained encoder, which the release pipeline and the study have in common.

Both build them here and nowhere else, so that what one of them has computed is a cache hit of the
other.
"""

from __future__ import annotations

import dataclasses

import tensorflow_data_validation as tfdv
from tfx import v1 as tfx

from components.data_gate.component import DataGate
from components.image_example_gen.component import ImageExampleGen
from components.image_example_gen.contract import statistics_features
from pipeline.beam_options import beam_pipeline_args
from pipeline.code_digest import code_digest
from pipeline.config import RunConfig
from trainer_modules import features

CONTRACT = ("trainer_modules/features.py", "trainer_modules/settings.py")


@dataclasses.dataclass(frozen=True)
class Places:
    """Where a run keeps things: paths or URIs on which the run's result does not depend."""

    pipeline_root: str
    checkpoint_root: str
    push_destination: str
    schema_file: str
    id_key_file: str = ""


@dataclasses.dataclass(frozen=True)
class SharedNodes:
    """Data, their gate and the encoder."""

    example_gen: ImageExampleGen
    statistics_gen: tfx.components.StatisticsGen
    schema_gen: tfx.components.ImportSchemaGen
    example_validator: tfx.components.ExampleValidator
    data_gate: DataGate
    pretrainer: tfx.components.Trainer

    @property
    def examples(self) -> tfx.types.BaseChannel:
        return self.example_gen.outputs["examples"]

    def in_order(self) -> list[tfx.dsl.components.BaseComponent]:
        return [getattr(self, field.name) for field in dataclasses.fields(self)]


def build_shared_nodes(config: RunConfig, places: Places, data_fingerprint: str) -> SharedNodes:
    """Wires the nodes; `data_fingerprint` changes when the source data do."""
    # Every source becomes tf.Examples in patient-disjoint splits.
    example_gen = ImageExampleGen(
        data=config.data,
        task=config.task,
        seed=config.seed,
        data_fingerprint=data_fingerprint,
        id_key_file=places.id_key_file,
        code_digest=code_digest("components/image_example_gen", *CONTRACT),
    )
    # Statistics of everything but the image bytes.
    statistics_gen = tfx.components.StatisticsGen(
        examples=example_gen.outputs["examples"],
        stats_options=tfdv.StatsOptions(
            feature_allowlist=statistics_features(config.task, config.data.subgroups)
        ),
    )
    # A schema a person has curated, not one inferred from the data it must judge.
    schema_gen = tfx.components.ImportSchemaGen(schema_file=places.schema_file)
    example_validator = tfx.components.ExampleValidator(
        statistics=statistics_gen.outputs["statistics"], schema=schema_gen.outputs["schema"]
    )
    # Stops the run before training on leaks, anomalies and empty classes.
    data_gate = DataGate(
        examples=example_gen.outputs["examples"],
        statistics=statistics_gen.outputs["statistics"],
        anomalies=example_validator.outputs["anomalies"],
        schema=schema_gen.outputs["schema"],
        ingest_report=example_gen.outputs["ingest_report"],
        settings=config.data_gate,
        task=config.task,
        code_digest=code_digest("components/data_gate", *CONTRACT),
    )
    # Step 2 of REMEDIS: SimCLR on images without labels, from BiT weights.
    pretrainer = tfx.components.Trainer(
        run_fn="trainer_modules.pretrain.run_fn",
        examples=example_gen.outputs["examples"],
        train_args=tfx.proto.TrainArgs(splits=list(config.pretrain.splits)),
        eval_args=tfx.proto.EvalArgs(splits=[features.VALIDATION]),
        custom_config=trainer_config(config, places, "pretrain"),
    ).with_id("Pretrainer")
    pretrainer.add_upstream_node(data_gate)
    return SharedNodes(
        example_gen, statistics_gen, schema_gen, example_validator, data_gate, pretrainer
    )


def trainer_config(config: RunConfig, places: Places, stage: str) -> dict:
    """What the `run_fn` of a stage gets as `custom_config`."""
    settings = {
        "task": config.task.model_dump(mode="json"),
        "model": config.model.model_dump(mode="json"),
        "seed": config.seed,
        stage: getattr(config, stage).model_dump(mode="json"),
    }
    return {
        "settings": settings,
        "code_digest": code_digest("trainer_modules"),
        "checkpoint_root": places.checkpoint_root,
    }


def assemble(
    config: RunConfig,
    places: Places,
    components: list[tfx.dsl.components.BaseComponent],
    metadata_path: str | None,
) -> tfx.dsl.Pipeline:
    """A pipeline of these nodes, under the one name and root by which TFX finds cached results.

    Args:
      config: The run's settings.
      places: Folders of the run.
      components: The nodes, in order.
      metadata_path: SQLite file of ML Metadata; None where the orchestrator brings its own.
    """
    metadata = tfx.orchestration.metadata.sqlite_metadata_connection_config
    return tfx.dsl.Pipeline(
        pipeline_name=config.name,
        pipeline_root=places.pipeline_root,
        components=components,
        enable_cache=True,
        metadata_connection_config=metadata(metadata_path) if metadata_path else None,
        beam_pipeline_args=beam_pipeline_args(config.beam),
    )
