"""The settings passed to a trainer, in the pipeline and in a separate job."""

from __future__ import annotations

import json
from typing import Any

from components.image_example_gen.settings import DataSettings
from pipeline.config.config import RunConfig
from pipeline.graph.code_digest import code_digest
from schemas.documents.cards import GrayLevels, Ingestion

UPSTREAM = "trainer_modules.upstream.run_fn"
PRETRAIN = "trainer_modules.pretrain.run_fn"
FINETUNE = "trainer_modules.finetune.run_fn"
SEARCH = "trainer_modules.search.tuner_fn"
# The section of settings that each reads.
_STAGES = {UPSTREAM: "upstream", PRETRAIN: "pretrain", FINETUNE: "finetune", SEARCH: "finetune"}


def trainer_config(config: RunConfig, function: str, checkpoint_root: str) -> dict[str, Any]:
    """The `custom_config` of a `run_fn` or `tuner_fn`.

    Args:
      config: The run's settings.
      function: `UPSTREAM`, `PRETRAIN`, `FINETUNE` or `SEARCH`.
      checkpoint_root: Folder for the checkpoints of unfinished trainings.
    """
    stage = _STAGES[function]
    if stage == "upstream":
        task, stage_settings = config.upstream.given_task, config.upstream.training
        data = config.upstream.data
    else:
        task, stage_settings = config.task, getattr(config, stage)
        data = config.data
    settings = {
        "task": task.model_dump(mode="json"),
        "model": config.model.model_dump(mode="json"),
        "seed": config.seed,
        stage: stage_settings.model_dump(mode="json"),
    }
    return {
        "settings": settings,
        "code_digest": code_digest(function),
        "checkpoint_root": checkpoint_root,
        "ingestion": ingestion_of(data).model_dump(mode="json"),
        "distribution": config.distribution.model_dump(mode="json"),
    }


def ingestion_of(data: DataSettings) -> Ingestion:
    """What an exported model must know of ingestion; without folders, which may tell names."""
    given = [part.intensity for part in data.parts if part.role != "unlabeled"]
    policies = {json.dumps(one.model_dump(mode="json")) for one in given or [data.intensity]}
    folders: dict[str, Any] = {"root": True, "id_key_file": True, "id_mapping": True}
    return Ingestion(
        intensity=GrayLevels.model_validate_json(policies.pop()) if len(policies) == 1 else None,
        stored_size=data.stored_size,
        encoding=data.encoding,
        jpeg_quality=data.jpeg_quality,
        max_pixels=data.max_pixels,
        data=data.model_dump(mode="json", exclude=folders | {"parts": {"__all__": {"root": True}}}),
    )
