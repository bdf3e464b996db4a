"""The settings passed to a trainer, in the pipeline and in a separate job."""

from __future__ import annotations

from typing import Any

from pipeline.config.config import RunConfig
from pipeline.graph.code_digest import code_digest

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
    else:
        task, stage_settings = config.task, getattr(config, stage)
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
        "distribution": config.distribution.model_dump(mode="json"),
    }
