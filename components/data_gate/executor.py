"""TFX plumbing of the data gate."""

from __future__ import annotations

from typing import Any

from absl import logging
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from components.artifact_types import Artifacts


class Executor(base_executor.BaseExecutor):
    """Collects the checks' inputs, writes their report, and stops the run if a check says so."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Writes `data_gate_report`.

        Raises:
            DataGateStopped: the data are not fit for training.
        """
        from components.data_gate.checks.outcomes import reasons
        from components.data_gate.checks.patients import GateNeeds
        from components.data_gate.gate import Inputs, Judge
        from components.data_gate.settings import DataGateSettings
        from schemas.documents.data_gate import DataGateStopped
        from trainer_modules.settings import TaskSettings

        artifacts = {n: artifact_utils.get_single_instance(a) for n, a in input_dict.items()}
        splits = artifact_utils.decode_split_names(artifacts["examples"].split_names)
        needs = exec_properties["gate_needs"]
        judge = Judge(
            Inputs(splits=splits, **{name: a.uri for name, a in artifacts.items()}),
            DataGateSettings.model_validate_json(exec_properties["settings"]),
            TaskSettings.model_validate_json(exec_properties["task"]),
            exec_properties["passed_data"],
            GateNeeds.model_validate_json(needs) if needs else None,
        )
        report = judge.report()
        report.write(artifact_utils.get_single_uri(output_dict["data_gate_report"]))
        for check in report.checks:
            level = logging.INFO if check.passed else logging.WARNING
            logging.log(level, "DataGate %s: %s", check.name, check.message)
        if stopping := reasons(report.checks):
            raise DataGateStopped(stopping, report)
        judge.keep_passed()
