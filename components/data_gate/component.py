"""TFX component: stops the run before training if the data are not fit for it."""

from __future__ import annotations

from typing import Any, ClassVar

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.artifact_types import DataGateReport, IngestReport
from components.data_gate.checks.patients import GateNeeds
from components.data_gate.executor import Executor
from components.data_gate.settings import DataGateSettings
from trainer_modules.settings import TaskSettings


class DataGateSpec(types.ComponentSpec):
    """Settings are passed as JSON, so that TFX's cache key covers all of them."""

    PARAMETERS: ClassVar[dict[str, Any]] = {
        "settings": component_spec.ExecutionParameter(type=str),
        "task": component_spec.ExecutionParameter(type=str),
        "gate_needs": component_spec.ExecutionParameter(type=str),
        "passed_data": component_spec.ExecutionParameter(type=str),
        "code_digest": component_spec.ExecutionParameter(type=str),
    }
    INPUTS: ClassVar[dict[str, Any]] = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "statistics": component_spec.ChannelParameter(type=standard_artifacts.ExampleStatistics),
        "anomalies": component_spec.ChannelParameter(type=standard_artifacts.ExampleAnomalies),
        "schema": component_spec.ChannelParameter(type=standard_artifacts.Schema),
        "ingest_report": component_spec.ChannelParameter(type=IngestReport),
    }
    OUTPUTS: ClassVar[dict[str, Any]] = {
        "data_gate_report": component_spec.ChannelParameter(type=DataGateReport),
    }


class DataGate(base_component.BaseComponent):
    """Fails its execution, with reasons, unless every check that can stop the run passes."""

    SPEC_CLASS = DataGateSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        statistics: types.BaseChannel,
        anomalies: types.BaseChannel,
        schema: types.BaseChannel,
        ingest_report: types.BaseChannel,
        settings: DataGateSettings,
        task: TaskSettings,
        passed_data: str,
        code_digest: str,
        gate_needs: GateNeeds | None = None,
    ):
        """Constructs the component.

        Args:
            examples: records of ImageExampleGen.
            statistics: of the records, from StatisticsGen.
            anomalies: of the statistics against the schema, from ExampleValidator.
            schema: the curated one.
            ingest_report: index and counts of ImageExampleGen.
            settings: what stops the run.
            task: labels.
            passed_data: folder of the last passed run's statistics, which this run's replace when
                they pass; '' keeps none.
            code_digest: of the code that checks.
            gate_needs: what the model gate requires of the data; None if none follows.
        """
        super().__init__(
            spec=DataGateSpec(
                examples=examples,
                statistics=statistics,
                anomalies=anomalies,
                schema=schema,
                ingest_report=ingest_report,
                settings=settings.model_dump_json(),
                task=task.model_dump_json(),
                gate_needs=gate_needs.model_dump_json() if gate_needs else "",
                passed_data=passed_data,
                code_digest=code_digest,
                data_gate_report=types.Channel(type=DataGateReport),
            )
        )
