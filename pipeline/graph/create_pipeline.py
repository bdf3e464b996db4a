"""The release graph, for the local runner, Kubeflow and the tests."""

from __future__ import annotations

from typing import Any

from tfx import v1 as tfx

from components.evaluator.component import Evaluator
from components.model_gate.component import ModelGate
from components.predictor.component import Predictor
from components.pusher.component import Pusher, SignedPusher
from components.reporter.component import Reporter
from pipeline.config.config import RunConfig
from pipeline.graph.code_digest import code_digest, executor_of
from pipeline.graph.finetuning_nodes import build_finetuning_nodes
from pipeline.graph.shared_nodes import Places, SharedNodes, assemble, build_shared_nodes
from pipeline.graph.tfma_config import EVALUATED_SPLITS, evaluation_config, metric_modules


def create_pipeline(
    config: RunConfig,
    places: Places,
    *,
    data_fingerprint: str,
    upstream_fingerprint: str = "",
    metadata_path: str | None = None,
) -> tfx.dsl.Pipeline:
    """Wires the components.

    Args:
      config: The run's settings.
      places: Folders of the run.
      data_fingerprint: Changes when the source data do; part of ingestion's cache key.
      upstream_fingerprint: The same for the upstream training's images, if there are any.
      metadata_path: SQLite file of ML Metadata; None if the orchestrator provides its own.
    """
    shared = build_shared_nodes(config, places, data_fingerprint, upstream_fingerprint)
    components = _components(config, places, shared)
    return assemble(config, places, components, metadata_path)


def _components(
    config: RunConfig, places: Places, shared: SharedNodes
) -> list[tfx.dsl.components.BaseComponent]:
    upstream = shared.upstream
    pretrainer = shared.pretrainer
    finetuning = build_finetuning_nodes(
        config, places, shared.examples, pretrainer.outputs["model"]
    )
    finetuner = finetuning[-1]
    # One inference pass for all stages that judge the model.
    predictor = Predictor(
        model=finetuner.outputs["model"],
        examples=shared.examples,
        task=config.task,
        subgroups=config.data.subgroups,
        embeddings=config.predictor.embeddings,
        code_digest=code_digest(executor_of(Predictor)),
    )
    # TFMA's slices and thresholds, on the Predictor's examples.
    evaluator = _evaluator(config, finetuner, predictor)
    # The verdict: patient-clustered intervals, the gap, subgroups, the last pushed model.
    model_gate = ModelGate(
        model=finetuner.outputs["model"],
        examples=shared.examples,
        predictions=predictor.outputs["predictions"],
        evaluator_blessing=evaluator.outputs["blessing"],
        ingest_report=shared.example_gen.outputs["ingest_report"],
        settings=config.gate,
        task=config.task,
        subgroups=config.data.subgroups,
        baseline_dir=_classifiers(places),
        code_digest=code_digest(executor_of(ModelGate)),
        ledger=places.gate_ledger,
    )
    pushers = _pushers(config, places, finetuner, pretrainer, model_gate)
    # One page for people, one file for programs.
    reporter = Reporter(
        ingest_report=shared.example_gen.outputs["ingest_report"],
        data_gate_report=shared.data_gate.outputs["data_gate_report"],
        upstream_ingest_report=upstream.example_gen.outputs["ingest_report"] if upstream else None,
        upstream_run=upstream.trainer.outputs["model_run"] if upstream else None,
        pretrain_run=pretrainer.outputs["model_run"],
        finetune_run=finetuner.outputs["model_run"],
        model=finetuner.outputs["model"],
        evaluation=evaluator.outputs["evaluation"],
        predictions=predictor.outputs["predictions"],
        gate_report=model_gate.outputs["gate_report"],
        pushed_classifier=pushers[0].outputs["pushed_model"] if pushers else None,
        pushed_encoder=pushers[1].outputs["pushed_model"] if pushers else None,
        run_settings=config.model_dump_json(),
        code_digest=code_digest(executor_of(Reporter)),
    )
    return [
        *shared.in_order(),
        *finetuning,
        predictor,
        evaluator,
        model_gate,
        *pushers,
        reporter,
    ]


def _evaluator(
    config: RunConfig, finetuner: tfx.components.Trainer, predictor: Predictor
) -> Evaluator:
    eval_config = evaluation_config(
        config.task,
        config.data.subgroups,
        config.evaluation,
        shifted_required=config.gate.shifted.required,
    )
    return Evaluator(
        examples=predictor.outputs["predictions"],
        model=finetuner.outputs["model"],
        example_splits=list(EVALUATED_SPLITS),
        eval_config=eval_config,
        code_digest=code_digest(executor_of(Evaluator), *metric_modules(eval_config)),
    )


def _pushers(
    config: RunConfig,
    places: Places,
    finetuner: tfx.components.Trainer,
    pretrainer: tfx.components.Trainer,
    model_gate: ModelGate,
) -> list[Pusher]:
    if not config.push.enabled:
        return []
    return [
        _pusher(
            config.push.public_key,
            judged=node == "Pusher",
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


def _pusher(public_key: str, *, judged: bool, **wired: Any) -> Pusher:
    """The Pusher, or the one that requires a signature."""
    if not public_key:
        return Pusher(code_digest=code_digest(executor_of(Pusher)), **wired)
    digest = code_digest(executor_of(SignedPusher))
    return SignedPusher(public_key=public_key, judged=judged, code_digest=digest, **wired)


def _classifiers(places: Places) -> str:
    return f"{places.push_destination}/classifier"
