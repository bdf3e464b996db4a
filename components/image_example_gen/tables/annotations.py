"""A table that says something of files which are listed elsewhere: labels, site, domain, split."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from components.image_example_gen.tables import shown
from components.image_example_gen.tables.columns import LabelColumn, Meanings
from components.image_example_gen.tables.joins import Lookup
from components.image_example_gen.tables.reader import Table
from schemas import features
from schemas.errors import InputError
from trainer_modules.settings import TaskSettings

PATH = "path"
# What the table says of a file: labels, site, domain, split.
Annotation = tuple[tuple[float | None, ...], str, str, str]

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_ABOUT = ("site", "domain", "split")
_SPLITS = (features.UNLABELED, features.TRAIN, features.VALIDATION, features.TEST)
_SHOWN = 5


class Annotations:
    """The rows of a table, looked up by one of its columns.

    Attributes:
        key: the column.
    """

    def __init__(
        self,
        table: Table,
        keys: Sequence[str],
        task: TaskSettings,
        columns: Mapping[str, str],
        renamed: Mapping[str, str] = _NOTHING,
        values: Mapping[str, Mapping[str, str]] = _NOTHING,
    ):
        """Reads the table.

        Args:
            table: with a header.
            keys: columns by which rows may be matched; the first that is there is taken.
            task: labels.
            columns: label: its column, where the names differ.
            renamed: the same for keys, site, domain and split.
            values: of a label, site, domain or split: what its values mean.

        Raises:
            InputError: the table has no such column, or a value that has no meaning.
        """
        header = table.header()
        accepted = (*keys, *_ABOUT)
        for name in renamed:
            if name not in accepted:
                raise InputError(
                    f"data.columns names '{name}'; accepted with a label table are "
                    f"{', '.join(accepted)}; columns of labels are named in data.label_columns"
                )
        found = next((key for key in keys if renamed.get(key, key) in header), None)
        if found is None:
            raise InputError(
                f"{table.name} has none of the columns "
                f"{', '.join(renamed.get(key, key) for key in keys)}, by which rows are matched "
                f"with files; it has {shown.columns(header, (*accepted, *columns.values()))}"
            )
        self.key = found
        self._key_column = renamed.get(found, found)
        self._about = {name: renamed.get(name, name) for name in _ABOUT}
        self._given = [self._about[name] for name in _ABOUT if name in renamed]
        self._table = table
        self._columns = [columns.get(name, name) for name in task.labels]
        self._readers = [LabelColumn(task, name, meanings=values.get(name)) for name in task.labels]
        for name in values:
            if name not in (*task.labels, *_ABOUT):
                raise InputError(
                    f"data.values names '{name}'; accepted are {', '.join((*task.labels, *_ABOUT))}"
                )
        self._meanings = [Meanings(values.get(name, {})) for name in _ABOUT]
        self._rows = Lookup(self._read(), table.name, table.where)

    def get(self, key: str) -> Annotation | None:
        """What the table says of a file; None where it says nothing."""
        return self._rows.get(self._normal(key)) if key else None

    def unmatched(self) -> int:
        """How many keys of the table nobody asked for."""
        return len(self._rows.unused())

    def refuse_unmatched(self, files: int, without_row: int, most: float) -> None:
        """Raises InputError when too many rows have no file, or too many files no row.

        Args:
            files: that were listed and looked up.
            without_row: of them, files of which the table says nothing.
            most: share of either that is accepted.
        """
        unused = self._rows.unused()
        for lost, total, text in (
            (
                len(unused), self._rows.distinct,
                f"rows have the {self.key} of no file below data.root (row "
                f"{', '.join(map(str, unused[:_SHOWN]))}{', ...' if len(unused) > _SHOWN else ''})",
            ),
            (without_row, files, f"files below data.root have no row with their {self.key}"),
        ):  # fmt: skip
            if lost > most * total:
                raise InputError(
                    f"{self._table.name}: {lost} of {total} {text}; data.max_unmatched_fraction "
                    f"accepts {most:.0%}. Check the column {self.key}, or raise the setting if "
                    "this is meant: files without a row have no labels"
                )

    def _normal(self, key: str) -> str:
        return posixpath.normpath(key.replace("\\", "/")) if self.key == PATH else key

    def _read(self) -> Iterator[tuple[str, Annotation]]:
        table = self._table
        required = dict.fromkeys((self._key_column, *self._columns, *self._given))
        optional = [column for column in self._about.values() if column not in self._given]
        rows = table.rows(tuple(required), optional)
        for number, cells in enumerate(rows, start=1):
            labels = []
            for column, reader in zip(self._columns, self._readers, strict=True):
                try:
                    labels.append(reader.parse(cells[column]))
                except ValueError:
                    raise table.bad_value(number, column, cells[column], reader.accepted) from None
            site, domain, split = (
                text if (meaning := meanings.of(text)) is None else meaning
                for text, meanings in (
                    (cells.get(column, ""), meanings)
                    for column, meanings in zip(self._about.values(), self._meanings, strict=True)
                )
            )
            if domain not in ("", *features.DOMAINS):
                raise table.bad_value(number, "domain", domain, ", ".join(features.DOMAINS))
            if split not in ("", *_SPLITS):
                raise table.bad_value(number, "split", split, ", ".join(_SPLITS))
            key = self._normal(cells[self._key_column])
            yield key, (tuple(labels), site, domain, split)
