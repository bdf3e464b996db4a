"""What a trainer is told besides its files: in the pipeline, and in a job of its own."""

from __future__ import annotations

from typing import Any, Literal

from pipeline.config.config import RunConfig
from pipeline.graph.code_digest import code_digest


def trainer_config(
    config: RunConfig, stage: Literal["upstream", "pretrain", "finetune"], checkpoint_root: str
) -> dict[str, Any]:
    """What the `run_fn` of a stage gets as `custom_config`."""
    if stage == "upstream":
        task, stage_settings = config.upstream.task, config.upstream.training
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
        "code_digest": code_digest("trainer_modules"),
        "checkpoint_root": checkpoint_root,
        "distribution": config.distribution.model_dump(mode="json"),
    }
