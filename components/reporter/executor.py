"""TFX plumbing of the Reporter: finds the artifacts' folders and hands them to `render_report`."""

from __future__ import annotations

import json
from typing import Any

from absl import logging
from tfx.dsl.components.base import base_executor
from tfx.types import artifact, artifact_utils
from tfx.utils import path_utils

Artifacts = dict[str, list[artifact.Artifact]]


class Executor(base_executor.BaseExecutor):
    """Writes the RunReport."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Renders the page, the model card and `report.json`."""
        from components.reporter.render import render_report
        from components.reporter.tfma_slices import read_slices

        folders = {name: artifacts[0].uri for name, artifacts in input_dict.items() if artifacts}
        evaluation = folders.get("evaluation")
        model = input_dict.get("model")
        report = render_report(
            artifact_utils.get_single_uri(output_dict["report"]),
            ingest_report=folders.get("ingest_report"),
            data_gate_report=folders.get("data_gate_report"),
            pretrain_run=folders.get("pretrain_run"),
            finetune_run=folders.get("finetune_run"),
            model=path_utils.serving_model_path(model[0].uri) if model else None,
            evaluation=read_slices(evaluation) if evaluation else None,
            predictions=folders.get("predictions"),
            gate_report=folders.get("gate_report"),
            pushed_classifier=pushed_path(input_dict.get("pushed_classifier")),
            pushed_encoder=pushed_path(input_dict.get("pushed_encoder")),
            run_settings=json.loads(exec_properties["run_settings"]),
            code_digest=exec_properties["code_digest"],
        )
        logging.info("Report written; verdict: %s", report["verdict"])


def pushed_path(artifacts: list[artifact.Artifact] | None) -> str | None:
    """Where TFX's Pusher put the model, None when it did not push."""
    if not artifacts or artifacts[0].get_int_custom_property("pushed") != 1:
        return None
    return artifacts[0].get_string_custom_property("pushed_destination") or artifacts[0].uri
