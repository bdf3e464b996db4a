"""What a label-efficiency study compares; imports no TFX, so that mistakes are found at once."""

from __future__ import annotations

from components.label_efficiency.cell.settings import BIT, REMEDIS
from pipeline.config.config import RunConfig
from schemas.documents.study import Arm
from schemas.errors import InputError
from trainer_modules.settings.families import FAMILIES


def check_study(config: RunConfig) -> None:
    """Refuses settings that the cells would silently ignore.

    Raises:
      InputError: Names the setting, and what a study takes.
    """
    trained = tuple(name for name, traits in FAMILIES.items() if traits.trained)
    for name, value, accepted in (
        ("model.family", config.model.family, trained),
        ("finetune.recipe", config.finetune.recipe, ("explicit",)),
        ("finetune.resolution", config.finetune.resolution, ("model",)),
    ):
        if value not in accepted:
            raise InputError(
                f"{name}={value}: a label-efficiency study takes {' or '.join(accepted)}; its "
                "trainings all have study.steps steps, from the first weights of each arm"
            )


def study_arms(config: RunConfig) -> tuple[list[Arm], dict[str, str]]:
    """The arms that differ, and why the others are omitted.

    Raises:
      InputError: No arm is left to compare with REMEDIS.
    """
    arms = list(config.study.arms)
    left_out: dict[str, str] = {}
    if BIT in arms and not _has_first_weights(config):
        arms.remove(BIT)
        left_out[BIT] = (
            "SimCLR started from random weights (neither upstream.enabled nor model.init), so this "
            "arm would be the random one"
        )
    if arms == [REMEDIS]:
        raise InputError(
            f"study.arms {list(config.study.arms)}: without first weights (upstream.enabled or "
            "model.init) 'bit' is the same as 'random', and no arm is left to compare with; add "
            "'random'"
        )
    return arms, left_out


def _has_first_weights(config: RunConfig) -> bool:
    return config.upstream.enabled or config.model.init.source != "random"
