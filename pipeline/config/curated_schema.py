"""Finds the file of the setting `curated_schema`: in a folder of schemas/, or by its path."""

from __future__ import annotations

import os
from pathlib import Path

from schemas.errors import InputError
from trainer_modules.settings.files import nearest

REPOSITORY = Path(__file__).resolve().parents[2]
FILE = "schema.pbtxt"


def schema_names() -> list[str]:
    """Folders of schemas/ that hold a schema."""
    return sorted(path.parent.name for path in (REPOSITORY / "schemas").glob(f"*/{FILE}"))


def is_path(setting: str) -> bool:
    """Whether the setting is a path, not the name of a folder of schemas/."""
    return "/" in setting or setting.endswith(".pbtxt")


def check_name(setting: str) -> str:
    """Refuses a name that is not a folder of schemas/.

    Raises:
      ValueError: There is no such folder.
    """
    names = schema_names()
    if not is_path(setting) and setting not in names:
        raise ValueError(
            f"no folder of schemas/ has this name{nearest(setting, names)}; accepted: "
            f"{', '.join(names)}, or a path with a '/' to another {FILE} or its folder"
        )
    return setting


def schema_path(setting: str) -> Path:
    """The absolute path of the file; a folder stands for the schema in it."""
    if not is_path(setting):
        return REPOSITORY / "schemas" / setting / FILE
    path = Path(os.path.abspath(Path(setting).expanduser()))
    return path if path.suffix == ".pbtxt" else path / FILE


def read_schema(setting: str) -> Path:
    """The file, after checking that it is a schema.

    Raises:
      InputError: It can't be read, or it is not a schema.
    """
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    path = schema_path(setting)
    try:
        text_format.Parse(path.read_text(encoding="utf-8"), schema_pb2.Schema())
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"setting 'curated_schema': '{path}' can't be read: {error}") from None
    except text_format.ParseError as error:
        raise InputError(f"setting 'curated_schema': '{path}' is not a schema: {error}") from None
    return path
