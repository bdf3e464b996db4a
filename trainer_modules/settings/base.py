"""Base of every section of settings."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationInfo, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

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
        if isinstance(given, Mapping):
            cls._check_flags(given)
        return over_defaults(cls, given)

    @classmethod
    def _check_flags(cls, given: Mapping[str, Any]) -> None:
        """YAML reads `yes` and `on` as true, which pydantic would take for the number 1."""
        wrong = []
        for name, value in given.items():
            field = cls.model_fields.get(name)
            if field is None:
                continue
            kinds = _kinds(field.annotation)
            if field.annotation is bool and not isinstance(value, bool):
                wrong.append(_error(name, value, "true and false are accepted"))
            elif bool not in kinds and _has_flag(value):
                accepted = " or ".join(text for kind, text in _ACCEPTED.items() if kind in kinds)
                message = (
                    "true and false, which YAML also reads from yes, no, on and off, are not "
                    "accepted"
                )
                wrong.append(_error(name, value, message + f"; {accepted} is" * bool(accepted)))
        if wrong:
            raise ValidationError.from_exception_data(cls.__name__, wrong)


_ACCEPTED = {float: "a number", int: "a whole number", str: "text"}


def _error(name: str, value: Any, message: str) -> InitErrorDetails:
    kind = PydanticCustomError("flag", "{message}", {"message": message})
    return InitErrorDetails(type=kind, loc=(name,), input=value)


def _kinds(annotation: Any) -> set[Any]:
    """A type and all that it is made of."""
    inner = typing.get_args(annotation)
    return {annotation}.union(*(_kinds(one) for one in inner))


def _has_flag(given: Any) -> bool:
    inner = given if isinstance(given, list | tuple) else ()
    return isinstance(given, bool) or any(isinstance(one, bool) for one in inner)
