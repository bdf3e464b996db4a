"""The base of all documents: a version, no unknown fields, null for numbers that are not finite.

Documents are written and read through their types, so renaming a field affects writers and readers
alike. Raise `version` whenever older files can no longer be read.
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from schemas.atomic_write import replacing
from schemas.errors import InputError, some_of


class Damaged(InputError):
    """A file is not JSON: it is truncated, or a different file."""


def finite(value: Any) -> Any:
    """None for NaN and infinities, which JSON lacks; any other value is unchanged."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(finite)]


class Part(BaseModel):
    """A piece of a document: immutable, and an unknown field is an error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", serialize_by_alias=True, validate_by_name=True
    )


class Sparse(Part):
    """A part whose file omits optional fields that were not given; null is a given value."""

    def given(self) -> list[str]:
        """Names of the fields that have a value, in order."""
        return [
            name
            for name in type(self).model_fields
            if name in self.model_fields_set or getattr(self, name) is not None
        ]

    @model_serializer(mode="wrap")
    def _given_alone(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content = serialize(self)
        return {name: content[name] for name in self.given()}


class Document(Part):
    """A file. Each kind defines its name and the version that it writes and accepts."""

    FILE: ClassVar[str]
    # Files without a version that are otherwise the same are also read.
    READS_UNVERSIONED: ClassVar[bool] = False

    version: int

    def to_json(self) -> str:
        """The content of the file."""
        return self.model_dump_json(indent=2) + "\n"

    def write(self, folder: str | os.PathLike[str]) -> Path:
        """Writes the file to a folder, which is created if missing; returns its path."""
        path = Path(folder) / self.FILE
        self.write_file(path)
        return path

    def write_file(self, path: str | os.PathLike[str]) -> None:
        """Writes atomically to a given path."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial:
            partial.write_text(self.to_json(), encoding="utf-8")

    @classmethod
    def read(cls, folder: str | os.PathLike[str]) -> Self:
        """Reads the file of a folder.

        Raises:
          OSError: The file is missing or can't be read.
          Damaged: It is not JSON.
          InputError: It has another version, or unknown or missing fields.
        """
        return cls.read_file(Path(folder) / cls.FILE)

    @classmethod
    def read_file(cls, path: str | os.PathLike[str]) -> Self:
        """Reads a file with any name; raises the same errors as `read`."""
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
        except ValueError as error:
            raise Damaged(f"{path} is damaged, it is not JSON: {error}") from None
        if not isinstance(content, dict):
            raise Damaged(f"{path} is damaged, it is not a JSON object but {content!r:.40}")
        accepted = cls.model_fields["version"].default
        if cls.READS_UNVERSIONED:
            content = {"version": accepted} | content
        if content.get("version") != accepted:
            raise InputError(
                f"{path}: version {content.get('version', 'none')} of a {cls.__name__}; accepted: "
                f"{accepted}. Another version of this code wrote it: run the step that writes it "
                "again"
            )
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise InputError(
                f"{path} is not a {cls.__name__} of version {accepted}: {_described(error)}"
            ) from None


def _described(error: ValidationError) -> str:
    return some_of([_fault(one) for one in error.errors(include_url=False)])


def _fault(error: Any) -> str:
    where = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        return f"unknown field '{where}'"
    if error["type"] == "missing":
        return f"missing field '{where}'"
    return f"'{where}': {error['msg']}. Received: {error['input']!r:.60}"
