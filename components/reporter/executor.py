"""TFX plumbing of the Reporter: finds the artifacts' folders for `render_report`."""

from __future__ import annotations

import json
from typing import Any

from absl import logging
from tfx.dsl.components.base import base_executor
from tfx.types import artifact, artifact_utils
from tfx.utils import path_utils

from components.artifact_types import Artifacts


class Executor(base_executor.BaseExecutor):
    """Writes the RunReport."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Renders the page, the model card and `report.json`."""
        from components.reporter.page.report_inputs import ReportInputs
        from components.reporter.page.tfma_slices import read_slices
        from components.reporter.render import render_report

        folders = {name: artifacts[0].uri for name, artifacts in input_dict.items() if artifacts}
        parts: dict[str, Any] = folders | {
            name: pushed_path(input_dict.get(name))
            for name in ("pushed_classifier", "pushed_encoder")
        }
        if "evaluation" in folders:
            parts["evaluation"] = read_slices(folders["evaluation"])
        if "model" in folders:
            parts["model"] = path_utils.serving_model_path(folders["model"])
        sources = ReportInputs(
            run_settings=json.loads(exec_properties["run_settings"]),
            code_digest=exec_properties["code_digest"],
            **parts,
        )
        report = render_report(artifact_utils.get_single_uri(output_dict["report"]), sources)
        logging.info("Report written; verdict: %s", report.verdict)


def pushed_path(artifacts: list[artifact.Artifact] | None) -> str | None:
    """Where TFX's Pusher put the model; None if it did not push."""
    if not artifacts or artifacts[0].get_int_custom_property("pushed") != 1:
        return None
    return artifacts[0].get_string_custom_property("pushed_destination") or artifacts[0].uri
