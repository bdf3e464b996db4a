"""Base of the public data sets that are tables beside image files."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence

from components.image_example_gen.rows.row import Offer
from components.image_example_gen.settings import DataSettings
from components.image_example_gen.sources.file_source import FileSource
from components.image_example_gen.tables.columns import LabelColumn, SubgroupColumn
from components.image_example_gen.tables.label_names import LabelNames
from components.image_example_gen.tables.reader import Table
from schemas.errors import InputError
from trainer_modules.settings import TaskSettings


class PublicTable(FileSource):
    """Labels and subgroups of a data set whose names are known in advance.

    Attributes:
        findings: the data set's own names of its labels, each a 0/1 question.
        aliases: names that other data sets use for the same findings.
        subgroups: names accepted in `data.subgroups`.
    """

    findings: Sequence[str] = ()
    aliases: Mapping[str, str] = {}
    subgroups: Sequence[str] = ()

    def __init__(self, data: DataSettings, task: TaskSettings):
        super().__init__(data)
        self._data = data
        self._task = task
        # By name, for what reading them shows.
        self._opened: dict[str, Table] = {}
        # Rows that `data.view` drops, because nobody knows which view they are.
        self._unknown_views = 0
        self._names = LabelNames(self.findings, data.label_columns, self.aliases)
        empty = 0.0 if data.unmentioned == "zeros" else None
        self._label_columns = [LabelColumn(task, name, empty) for name in task.labels]
        self._subgroup_columns = [SubgroupColumn(s, data.subgroup_bins) for s in data.subgroups]

    def offers(self) -> Offer:
        """See `rows.Source`."""
        return Offer(self._names.known(), frozenset(self.subgroups))

    def check(self) -> None:
        """See `rows.Source`."""
        self._check_files()
        if self._task.classes and self._task.labels:
            raise InputError(
                f"task.kind multiclass: {self._data.source} has findings that are each present or "
                "not; use binary or multilabel"
            )
        for name in self._data.subgroups:
            if name not in self.subgroups:
                raise InputError(
                    f"data.subgroups names '{name}', {self._data.source} has "
                    f"{', '.join(self.subgroups) or 'none'}"
                )
        super().check()

    @functools.cached_property
    def _columns(self) -> dict[str, str]:
        """The data set's name of each label."""
        return self._names.match(self._task.labels, self._data.source)

    def _labels(
        self, table: Table, number: int, cells: Mapping[str, str]
    ) -> tuple[float | None, ...]:
        """Values of all labels, from cells named as in the data set."""
        values = []
        for column, reader in zip(self._columns.values(), self._label_columns, strict=True):
            try:
                values.append(reader.parse(cells[column]))
            except ValueError:
                raise table.bad_value(number, column, cells[column], reader.accepted) from None
        return tuple(values)

    def _subgroups(self, values: Mapping[str, str]) -> tuple[str, ...]:
        """Values of all subgroups, from text in the project's vocabulary."""
        return tuple(
            reader.parse(values.get(name, ""))
            for name, reader in zip(self._data.subgroups, self._subgroup_columns, strict=True)
        )

    def _find_tables(self, *names: str, told: str) -> list[Table]:
        """Tables that data.root must contain; `told` is the advice if one is missing."""
        for name in names:
            if not os.path.isfile(os.path.join(self._root, name)):
                raise InputError(
                    f"data.root '{self._root}' contains no '{name}', which {self._data.source} "
                    f"needs: {told}"
                )
        return [self._opened.setdefault(name, Table(self._root, name)) for name in names]

    def counts(self) -> Mapping[str, int]:
        """See `rows.Source`: rows that were passed over."""
        empty = sum(table.empty_rows for table in self._opened.values())
        found = {"empty_rows": empty, "rows_with_an_unknown_view": self._unknown_views}
        return {kind: count for kind, count in found.items() if count}

    def _where_images_are(self) -> str:
        return f"{self._data.source} is read as downloaded"
