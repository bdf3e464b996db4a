"""StudyReporter: collects the cells of a study into metrics and a page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar

from tfx import v1 as tfx
from tfx.dsl.components.base import executor_spec
from tfx.types import channel, component_spec

from components.artifact_types import CellReport, IngestReport, StudyReport
from components.label_efficiency.cell.settings import StudySettings
from components.label_efficiency.report.executor import Executor
from trainer_modules.settings import TaskSettings

_STRINGS = ("task", "settings", "left_out", "run_settings", "code_digest")


class StudyReporterSpec(component_spec.ComponentSpec):
    """Interface of the StudyReporter."""

    PARAMETERS: ClassVar = {name: component_spec.ExecutionParameter(type=str) for name in _STRINGS}
    INPUTS: ClassVar = {
        "cells": component_spec.ChannelParameter(type=CellReport),
        "ingest_report": component_spec.ChannelParameter(type=IngestReport),
    }
    OUTPUTS: ClassVar = {"report": component_spec.ChannelParameter(type=StudyReport)}


class StudyReporter(tfx.types.BaseComponent):
    """Writes `index.html`, `study.json` and `report.json` from the cells."""

    SPEC_CLASS = StudyReporterSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        cells: Sequence[tfx.types.BaseChannel],
        ingest_report: tfx.types.BaseChannel,
        task: TaskSettings,
        settings: StudySettings,
        left_out: Mapping[str, str],
        run_settings: str,
        code_digest: str,
    ) -> None:
        """Declares the node.

        Args:
          cells: CellReports.
          ingest_report: IngestReport of ImageExampleGen, which tells if the images are synthetic.
          task: What is predicted.
          settings: Margin, confidence, resamples.
          left_out: Arms that were not computed, with the reason.
          run_settings: JSON of the whole resolved configuration, shown on the page.
          code_digest: Digest of the code, so that an edit invalidates cached results.
        """
        super().__init__(
            StudyReporterSpec(
                cells=channel.union(cells),
                ingest_report=ingest_report,
                task=task.model_dump_json(),
                settings=settings.model_dump_json(),
                left_out=json.dumps(dict(left_out)),
                run_settings=run_settings,
                code_digest=code_digest,
                report=channel.Channel(type=StudyReport),
            )
        )
