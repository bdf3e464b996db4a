"""TFX plumbing of the StudyReporter."""

from __future__ import annotations

import json
from typing import Any

from absl import logging
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from components.artifact_types import Artifacts
from components.label_efficiency.cell.settings import StudySettings
from schemas.documents.ingest import IngestReport
from trainer_modules.settings import TaskSettings


class Executor(base_executor.BaseExecutor):
    """Writes the StudyReport."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Reads the cells and writes metrics and page."""
        from components.label_efficiency.report import study_report, wording

        task = TaskSettings.model_validate_json(exec_properties["task"])
        study = study_report.write_study(
            artifact_utils.get_single_uri(output_dict["report"]),
            study_report.read_cells([cell.uri for cell in input_dict["cells"]], task),
            StudySettings.model_validate_json(exec_properties["settings"]),
            left_out=json.loads(exec_properties["left_out"]),
            run_settings=json.loads(exec_properties["run_settings"]),
            ingest=IngestReport.read(artifact_utils.get_single_uri(input_dict["ingest_report"])),
        )
        for one in study.headlines:
            logging.info("%s", wording.answer(one))
