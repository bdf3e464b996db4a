"""The nodes up to the pretrained encoder, shared by the release pipeline and the study.

Both build them only here, so that results of one are cache hits in the other.
"""

from __future__ import annotations

import dataclasses

import tensorflow_data_validation as tfdv
from tfx import v1 as tfx

from components.data_gate.checks.patients import DomainNeeds, GateNeeds
from components.data_gate.component import DataGate
from components.example_validator.component import ExampleValidator
from components.image_example_gen.component import ImageExampleGen
from components.image_example_gen.settings import DataSettings
from components.image_example_gen.writing.contract import statistics_features
from components.model_gate.policy.settings import DomainRules, GateSettings
from pipeline.config.config import RunConfig
from pipeline.graph.beam_options import beam_pipeline_args, file_writer_args
from pipeline.graph.code_digest import code_digest, executor_of
from pipeline.graph.trainer_config import PRETRAIN, UPSTREAM, trainer_config
from schemas import features
from trainer_modules.settings import TaskSettings


@dataclasses.dataclass(frozen=True)
class Places:
    """A run's paths or URIs, on which its result does not depend."""

    pipeline_root: str
    checkpoint_root: str
    push_destination: str
    schema_file: str
    id_key_file: str = ""
    passed_data: str = ""
    gate_ledger: str = ""


@dataclasses.dataclass(frozen=True)
class UpstreamNodes:
    """Natural images, and the training on them."""

    example_gen: ImageExampleGen
    trainer: tfx.components.Trainer


@dataclasses.dataclass(frozen=True)
class SharedNodes:
    """Data, their gate and the encoder."""

    example_gen: ImageExampleGen
    statistics_gen: tfx.components.StatisticsGen
    schema_gen: tfx.components.ImportSchemaGen
    example_validator: tfx.components.ExampleValidator
    data_gate: DataGate
    upstream: UpstreamNodes | None
    pretrainer: tfx.components.Trainer

    @property
    def examples(self) -> tfx.types.BaseChannel:
        return self.example_gen.outputs["examples"]

    def in_order(self) -> list[tfx.dsl.components.BaseComponent]:
        return [
            self.example_gen,
            self.statistics_gen,
            self.schema_gen,
            self.example_validator,
            self.data_gate,
            *((self.upstream.example_gen, self.upstream.trainer) if self.upstream else ()),
            self.pretrainer,
        ]


def build_shared_nodes(
    config: RunConfig, places: Places, data_fingerprint: str, upstream_fingerprint: str = ""
) -> SharedNodes:
    """Wires the nodes; the fingerprints change when the source data do."""
    # Every source becomes tf.Examples in patient-disjoint splits.
    example_gen = _example_gen(config, places, config.data, config.task, data_fingerprint)
    # Statistics of everything but the image bytes.
    statistics_gen = tfx.components.StatisticsGen(
        examples=example_gen.outputs["examples"],
        stats_options=tfdv.StatsOptions(
            feature_allowlist=statistics_features(config.task, config.data.subgroups)
        ),
    )
    # A curated schema, not one inferred from the data that it must check.
    schema_gen = tfx.components.ImportSchemaGen(schema_file=places.schema_file)
    example_validator = ExampleValidator(
        statistics=statistics_gen.outputs["statistics"],
        schema=schema_gen.outputs["schema"],
        code_digest=code_digest(executor_of(ExampleValidator)),
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
        passed_data=places.passed_data,
        code_digest=code_digest(executor_of(DataGate)),
        gate_needs=_gate_needs(config.gate),
    )
    upstream = _build_upstream(config, places, upstream_fingerprint, data_gate)
    # Step 2 of REMEDIS: SimCLR on images without labels, from BiT weights or those of step 1.
    pretrainer = tfx.components.Trainer(
        run_fn=PRETRAIN,
        examples=example_gen.outputs["examples"],
        base_model=upstream.trainer.outputs["model"] if upstream else None,
        train_args=tfx.proto.TrainArgs(splits=list(config.pretrain.splits)),
        eval_args=tfx.proto.EvalArgs(splits=[features.VALIDATION]),
        custom_config=trainer_config(config, PRETRAIN, places.checkpoint_root),
    ).with_id("Pretrainer")
    pretrainer.add_upstream_node(data_gate)
    return SharedNodes(
        example_gen, statistics_gen, schema_gen, example_validator, data_gate, upstream, pretrainer
    )


def _gate_needs(gate: GateSettings) -> GateNeeds:
    """The part of the model gate's policy that the data alone can fail.

    No more of it, or every change of the policy would have the data checked anew.
    """

    def of_domain(rules: DomainRules) -> DomainNeeds:
        return DomainNeeds(
            required=rules.required,
            min_patients=rules.min_patients,
            # The policy has no such minimum yet.
            min_patients_per_class=gate.min_patients_per_class,
        )

    return GateNeeds(
        in_distribution=of_domain(gate.in_distribution), shifted=of_domain(gate.shifted)
    )


def _example_gen(
    config: RunConfig, places: Places, data: DataSettings, task: TaskSettings, fingerprint: str
) -> ImageExampleGen:
    return ImageExampleGen(
        data=data,
        task=task,
        seed=config.seed,
        data_fingerprint=fingerprint,
        id_key_file=places.id_key_file,
        code_digest=code_digest(executor_of(ImageExampleGen)),
    ).with_beam_pipeline_args(file_writer_args(config.beam))


def _build_upstream(
    config: RunConfig, places: Places, fingerprint: str, data_gate: DataGate
) -> UpstreamNodes | None:
    """Wires the training of the first weights, if requested."""
    settings = config.upstream
    if not settings.enabled or settings.task is None:
        return None
    # Separate images: they show no patients, and none of them is in a split of the run. Ingestion
    # stops the run if too many of them are broken.
    example_gen = _example_gen(config, places, settings.data, settings.task, fingerprint)
    example_gen.with_id("UpstreamExampleGen")
    # Refused data cost no training.
    example_gen.add_upstream_node(data_gate)
    # Step 1 of REMEDIS: supervised training on natural images, if no weights are given.
    trainer = tfx.components.Trainer(
        run_fn=UPSTREAM,
        examples=example_gen.outputs["examples"],
        train_args=tfx.proto.TrainArgs(splits=[features.TRAIN]),
        eval_args=tfx.proto.EvalArgs(splits=[features.VALIDATION]),
        custom_config=trainer_config(config, UPSTREAM, places.checkpoint_root),
    ).with_id("Upstream")
    return UpstreamNodes(example_gen, trainer)


def assemble(
    config: RunConfig,
    places: Places,
    components: list[tfx.dsl.components.BaseComponent],
    metadata_path: str | None,
) -> tfx.dsl.Pipeline:
    """A pipeline of these nodes, with the name and root by which TFX finds cached results.

    Args:
      config: The run's settings.
      places: Folders of the run.
      components: The nodes, in order.
      metadata_path: SQLite file of ML Metadata; None if the orchestrator provides its own.
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
