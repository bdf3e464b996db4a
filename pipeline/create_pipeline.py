"""The one graph, for the local runner, Kubeflow and the tests."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import tensorflow_data_validation as tfdv
from tfx import v1 as tfx

from components.data_gate.component import DataGate
from components.evaluator.component import Evaluator
from components.image_example_gen.component import ImageExampleGen
from components.image_example_gen.contract import statistics_features
from components.model_gate.component import ModelGate
from components.predictor.component import Predictor
from components.reporter.component import Reporter
from pipeline.beam_options import beam_pipeline_args
from pipeline.code_digest import code_digest
from pipeline.config import RunConfig
from pipeline.evaluation import EVALUATED_SPLITS, evaluation_config
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


def create_pipeline(
    config: RunConfig,
    places: Places,
    *,
    data_fingerprint: str,
    metadata_path: str | None = None,
) -> tfx.dsl.Pipeline:
    """Wires the components.

    Args:
      config: The run's settings.
      places: Folders of the run.
      data_fingerprint: Changes when the source data do; part of ingestion's cache key.
      metadata_path: SQLite file of ML Metadata; None where the orchestrator brings its own.
    """
    metadata = tfx.orchestration.metadata.sqlite_metadata_connection_config
    return tfx.dsl.Pipeline(
        pipeline_name=config.name,
        pipeline_root=places.pipeline_root,
        components=_components(config, places, data_fingerprint),
        enable_cache=True,
        metadata_connection_config=metadata(metadata_path) if metadata_path else None,
        beam_pipeline_args=beam_pipeline_args(config.beam),
    )


def _components(
    config: RunConfig, places: Places, data_fingerprint: str
) -> Sequence[tfx.dsl.components.BaseComponent]:
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
    pretrainer, finetuner = _trainers(config, places, example_gen.outputs["examples"])
    pretrainer.add_upstream_node(data_gate)
    # One inference pass for everything that judges the model.
    predictor = Predictor(
        model=finetuner.outputs["model"],
        examples=example_gen.outputs["examples"],
        task=config.task,
        subgroups=config.data.subgroups,
        code_digest=code_digest("components/predictor", *CONTRACT),
    )
    # TFMA's slices and thresholds, on the Predictor's examples.
    evaluator = Evaluator(
        examples=predictor.outputs["predictions"],
        model=finetuner.outputs["model"],
        example_splits=list(EVALUATED_SPLITS),
        eval_config=evaluation_config(
            config.task,
            config.data.subgroups,
            config.evaluation,
            shifted_required=config.gate.shifted.required,
        ),
        code_digest=code_digest("components/evaluator"),
    )
    # The verdict: patient-clustered intervals, the gap, subgroups, the last pushed model.
    model_gate = ModelGate(
        model=finetuner.outputs["model"],
        examples=example_gen.outputs["examples"],
        predictions=predictor.outputs["predictions"],
        evaluator_blessing=evaluator.outputs["blessing"],
        settings=config.gate,
        task=config.task,
        subgroups=config.data.subgroups,
        baseline_dir=_classifiers(places),
        code_digest=code_digest("components/model_gate", "components/predictor", *CONTRACT),
    )
    pushers = _pushers(config, places, finetuner, pretrainer, model_gate)
    # One page for people, one file for programs.
    reporter = Reporter(
        ingest_report=example_gen.outputs["ingest_report"],
        data_gate_report=data_gate.outputs["data_gate_report"],
        pretrain_run=pretrainer.outputs["model_run"],
        finetune_run=finetuner.outputs["model_run"],
        model=finetuner.outputs["model"],
        evaluation=evaluator.outputs["evaluation"],
        predictions=predictor.outputs["predictions"],
        gate_report=model_gate.outputs["gate_report"],
        pushed_classifier=pushers[0].outputs["pushed_model"] if pushers else None,
        pushed_encoder=pushers[1].outputs["pushed_model"] if pushers else None,
        run_settings=config.model_dump_json(),
        code_digest=code_digest("components/reporter", *CONTRACT),
    )
    return [
        example_gen,
        statistics_gen,
        schema_gen,
        example_validator,
        data_gate,
        pretrainer,
        finetuner,
        predictor,
        evaluator,
        model_gate,
        *pushers,
        reporter,
    ]


def _trainers(
    config: RunConfig, places: Places, examples: tfx.types.BaseChannel
) -> tuple[tfx.components.Trainer, tfx.components.Trainer]:
    shared = {
        "task": config.task.model_dump(mode="json"),
        "model": config.model.model_dump(mode="json"),
        "seed": config.seed,
    }

    def custom_config(stage: str, settings: dict) -> dict:
        return {
            "settings": {**shared, stage: settings},
            "code_digest": code_digest("trainer_modules"),
            "checkpoint_root": places.checkpoint_root,
        }

    # Step 2 of REMEDIS: SimCLR on images without labels, from BiT weights.
    pretrainer = tfx.components.Trainer(
        run_fn="trainer_modules.pretrain.run_fn",
        examples=examples,
        train_args=tfx.proto.TrainArgs(splits=list(config.pretrain.splits)),
        eval_args=tfx.proto.EvalArgs(splits=[features.VALIDATION]),
        custom_config=custom_config("pretrain", config.pretrain.model_dump(mode="json")),
    ).with_id("Pretrainer")
    # Step 3: supervised finetuning of that encoder. Test and shifted images can't reach it.
    finetuner = tfx.components.Trainer(
        run_fn="trainer_modules.finetune.run_fn",
        examples=examples,
        base_model=pretrainer.outputs["model"],
        train_args=tfx.proto.TrainArgs(splits=[features.TRAIN]),
        eval_args=tfx.proto.EvalArgs(splits=[features.VALIDATION]),
        custom_config=custom_config("finetune", config.finetune.model_dump(mode="json")),
    ).with_id("Finetuner")
    return pretrainer, finetuner


def _pushers(
    config: RunConfig,
    places: Places,
    finetuner: tfx.components.Trainer,
    pretrainer: tfx.components.Trainer,
    model_gate: ModelGate,
) -> list[tfx.components.Pusher]:
    if not config.push.enabled:
        return []
    return [
        tfx.components.Pusher(
            model=trainer.outputs["model"],
            model_blessing=model_gate.outputs["blessing"],
            push_destination=tfx.proto.PushDestination(
                filesystem=tfx.proto.PushDestination.Filesystem(base_directory=folder)
            ),
        ).with_id(node)
        for node, trainer, folder in (
            ("Pusher", finetuner, _classifiers(places)),
            ("EncoderPusher", pretrainer, f"{places.push_destination}/encoder"),
        )
    ]


def _classifiers(places: Places) -> str:
    return f"{places.push_destination}/classifier"


def schema_source(config: RunConfig) -> Path:
    """The curated schema that the configuration names."""
    return (
        Path(__file__).resolve().parent.parent / "schemas" / config.curated_schema / "schema.pbtxt"
    )
