"""Base of every section of settings."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from trainer_modules.settings.merge import over_defaults

INCOMPLETE = "incomplete"
"""Kind of error, and key of a validation's context: settings that are only shown may be so."""


def refuse_incomplete(message: str, info: ValidationInfo) -> None:
    """Refuses settings that lack what a run needs, unless they are only to be shown."""
    if not (info.context or {}).get(INCOMPLETE):
        raise PydanticCustomError(INCOMPLETE, "{message}", {"message": message})


class Settings(BaseModel):
    """Base of every settings section: immutable, and an unknown key is an error.

    A nested section that is given in part keeps the rest of its field's own default, where
    pydantic alone would take the defaults of the section's class.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _merge_into_defaults(cls, given: Any) -> Any:
        return over_defaults(cls, given)
