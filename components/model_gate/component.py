"""TFX component that decides whether a model may be pushed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import ClassVar

from tfx import types
from tfx import v1 as tfx
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec

from components.artifact_types import GateReport, IngestReport
from components.model_gate import executor
from components.model_gate.policy.settings import GateSettings
from trainer_modules.settings import TaskSettings

_ARTIFACTS = tfx.types.standard_artifacts


class ModelGateSpec(component_spec.ComponentSpec):
    """Interface of the ModelGate."""

    PARAMETERS: ClassVar = {
        "settings": component_spec.ExecutionParameter(type=str),
        "task": component_spec.ExecutionParameter(type=str),
        "subgroups": component_spec.ExecutionParameter(type=str),
        "baseline_dir": component_spec.ExecutionParameter(type=str),
        "ledger": component_spec.ExecutionParameter(type=str),
        "code_digest": component_spec.ExecutionParameter(type=str),
    }
    INPUTS: ClassVar = {
        "model": component_spec.ChannelParameter(type=_ARTIFACTS.Model),
        "examples": component_spec.ChannelParameter(type=_ARTIFACTS.Examples),
        "predictions": component_spec.ChannelParameter(type=_ARTIFACTS.Examples),
        "evaluator_blessing": component_spec.ChannelParameter(
            type=_ARTIFACTS.ModelBlessing, optional=True
        ),
        "ingest_report": component_spec.ChannelParameter(type=IngestReport, optional=True),
    }
    OUTPUTS: ClassVar = {
        "blessing": component_spec.ChannelParameter(type=_ARTIFACTS.ModelBlessing),
        "gate_report": component_spec.ChannelParameter(type=GateReport),
    }


class ModelGate(base_component.BaseComponent):
    """Blesses a model on patient-clustered evidence, or explains why not.

    The blessing has the same form as that of TFX's Evaluator, so the stock Pusher honors it.
    """

    SPEC_CLASS = ModelGateSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        model: types.BaseChannel,
        examples: types.BaseChannel,
        predictions: types.BaseChannel,
        settings: GateSettings,
        task: TaskSettings,
        subgroups: Sequence[str],
        baseline_dir: str,
        code_digest: str,
        evaluator_blessing: types.BaseChannel | None = None,
        ingest_report: types.BaseChannel | None = None,
        ledger: str = "",
    ):
        """Wires the gate.

        Args:
            model: The exported classifier.
            examples: Ingested images, for the pushed model and the serving check.
            predictions: The Predictor's output.
            settings: The rules.
            task: What is predicted.
            subgroups: Subgroup columns to judge.
            baseline_dir: Folder to which models are pushed.
            code_digest: Digest of the code, so that an edit invalidates cached results.
            evaluator_blessing: TFMA's verdict.
            ingest_report: Where the original files are, for the serving check.
            ledger: File that counts the models judged on a test set; empty: not counted.
        """
        super().__init__(
            ModelGateSpec(
                model=model,
                examples=examples,
                predictions=predictions,
                evaluator_blessing=evaluator_blessing,
                ingest_report=ingest_report,
                settings=settings.model_dump_json(),
                task=task.model_dump_json(),
                subgroups=json.dumps(list(subgroups)),
                baseline_dir=baseline_dir,
                ledger=ledger,
                code_digest=code_digest,
                blessing=types.Channel(type=_ARTIFACTS.ModelBlessing),
                gate_report=types.Channel(type=GateReport),
            )
        )
