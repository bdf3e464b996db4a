"""Reporter: one self-contained page, a model card and the run's metrics for programs."""

from __future__ import annotations

from typing import ClassVar

from tfx import v1 as tfx
from tfx.dsl.components.base import executor_spec
from tfx.types import channel, component_spec

from components.artifact_types import (
    DataGateReport,
    GateReport,
    IngestReport,
    RunReport,
)
from components.reporter.executor import Executor


class ReporterSpec(component_spec.ComponentSpec):
    """Interface of the Reporter; only the data's reports are required."""

    PARAMETERS: ClassVar = {
        "run_settings": component_spec.ExecutionParameter(type=str),
        "code_digest": component_spec.ExecutionParameter(type=str),
    }
    INPUTS: ClassVar = {
        "ingest_report": component_spec.ChannelParameter(type=IngestReport),
        "data_gate_report": component_spec.ChannelParameter(type=DataGateReport),
        **{
            name: component_spec.ChannelParameter(type=artifact_type, optional=True)
            for name, artifact_type in (
                ("upstream_ingest_report", IngestReport),
                ("upstream_run", tfx.types.standard_artifacts.ModelRun),
                ("pretrain_run", tfx.types.standard_artifacts.ModelRun),
                ("finetune_run", tfx.types.standard_artifacts.ModelRun),
                ("model", tfx.types.standard_artifacts.Model),
                ("evaluation", tfx.types.standard_artifacts.ModelEvaluation),
                ("predictions", tfx.types.standard_artifacts.Examples),
                ("gate_report", GateReport),
                ("pushed_classifier", tfx.types.standard_artifacts.PushedModel),
                ("pushed_encoder", tfx.types.standard_artifacts.PushedModel),
            )
        },
    }
    OUTPUTS: ClassVar = {"report": component_spec.ChannelParameter(type=RunReport)}


class Reporter(tfx.types.BaseComponent):
    """Writes `index.html`, `model_card.md` and `report.json` from the run's artifacts."""

    SPEC_CLASS = ReporterSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        ingest_report: tfx.types.BaseChannel,
        data_gate_report: tfx.types.BaseChannel,
        run_settings: str,
        code_digest: str,
        upstream_ingest_report: tfx.types.BaseChannel | None = None,
        upstream_run: tfx.types.BaseChannel | None = None,
        pretrain_run: tfx.types.BaseChannel | None = None,
        finetune_run: tfx.types.BaseChannel | None = None,
        model: tfx.types.BaseChannel | None = None,
        evaluation: tfx.types.BaseChannel | None = None,
        predictions: tfx.types.BaseChannel | None = None,
        gate_report: tfx.types.BaseChannel | None = None,
        pushed_classifier: tfx.types.BaseChannel | None = None,
        pushed_encoder: tfx.types.BaseChannel | None = None,
    ) -> None:
        """Declares the node.

        Args:
          ingest_report: IngestReport of ImageExampleGen.
          data_gate_report: DataGateReport of DataGate.
          run_settings: JSON of the whole resolved configuration, shown on the page.
          code_digest: Digest of the code of this component, for TFX's cache.
          upstream_ingest_report: IngestReport of UpstreamExampleGen, if there is one.
          upstream_run: ModelRun of the Upstream Trainer, if there is one.
          pretrain_run: ModelRun of the Pretrainer (curves, augmentation grid).
          finetune_run: ModelRun of the Finetuner.
          model: Model of the Finetuner (thresholds, temperature).
          evaluation: ModelEvaluation of TFMA's Evaluator (slices).
          predictions: Examples of the Predictor (ROC curves, reliability).
          gate_report: GateReport of ModelGate (verdict, intervals).
          pushed_classifier: PushedModel of the classifier's Pusher.
          pushed_encoder: PushedModel of the encoder's Pusher.
        """
        inputs = {
            "ingest_report": ingest_report,
            "data_gate_report": data_gate_report,
            "upstream_ingest_report": upstream_ingest_report,
            "upstream_run": upstream_run,
            "pretrain_run": pretrain_run,
            "finetune_run": finetune_run,
            "model": model,
            "evaluation": evaluation,
            "predictions": predictions,
            "gate_report": gate_report,
            "pushed_classifier": pushed_classifier,
            "pushed_encoder": pushed_encoder,
        }
        given = {name: source for name, source in inputs.items() if source is not None}
        super().__init__(
            ReporterSpec(
                run_settings=run_settings,
                code_digest=code_digest,
                report=channel.Channel(type=RunReport),
                **given,
            )
        )
