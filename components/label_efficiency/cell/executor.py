"""TFX plumbing of a StudyCell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import path_utils

from components.artifact_types import Artifacts
from components.label_efficiency.cell.settings import CellSettings
from components.predictor.executor import split_files
from schemas import features
from schemas.documents.study import Cell
from trainer_modules.settings import FinetuneSettings, ModelSettings, TaskSettings

_SPLITS = (features.TRAIN, features.VALIDATION, features.TEST, features.SHIFTED)


class Executor(base_executor.BaseExecutor):
    """Computes the cell in this process."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Reads the examples and the cell's predecessors, writes its CellReport."""
        from components.label_efficiency.cell import run_cell, training
        from trainer_modules.training import stage

        cell = Cell.model_validate_json(exec_properties["cell"])
        model = ModelSettings.model_validate_json(exec_properties["model"])
        folder = Path(artifact_utils.get_single_uri(output_dict["report"]))
        folder.mkdir(parents=True, exist_ok=True)
        examples = artifact_utils.get_single_instance(input_dict["examples"])
        encoder = input_dict.get("encoder")
        job = training.Job(
            task=TaskSettings.model_validate_json(exec_properties["task"]),
            model=model,
            finetune=FinetuneSettings.model_validate_json(exec_properties["finetune"]),
            settings=CellSettings.model_validate_json(exec_properties["settings"]),
            seed=cell.seed,
        )
        inputs = run_cell.Inputs(
            files={split: split_files(examples, split) for split in _SPLITS},
            encoder=path_utils.serving_model_path(encoder[0].uri) if encoder else "",
            init=model.init,
            searched=_folder(input_dict, "searched"),
            start=_folder(input_dict, "start"),
            division_seed=exec_properties["division_seed"],
            keep_weights=bool(exec_properties["keep_weights"]),
        )
        with stage.prepared(cell.name, model, job.finetune.precision, cell.seed) as strategy:
            run_cell.run_cell(cell, job, inputs, strategy, folder)


def _folder(input_dict: Artifacts, name: str) -> str:
    artifacts = input_dict.get(name)
    return artifacts[0].uri if artifacts else ""
