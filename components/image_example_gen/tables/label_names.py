"""Matches a data set's names for findings with the names in `task.labels`.

Names are converted to lower case, and everything between letters and digits to one underscore:
'Pleural Effusion' is `pleural_effusion`. If two data sets name a finding differently,
`data.label_columns` maps a label of the task to the source's name.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping

from schemas.errors import InputError


def snake_case(name: str) -> str:
    """Returns the label name of a public column or class name."""
    return re.sub(r"[^0-9a-z]+", "_", name.lower()).strip("_")


class LabelNames:
    """The names that a data set offers, and the task's names for them."""

    def __init__(
        self,
        offered: Iterable[str],
        renamed: Mapping[str, str],
        aliases: Mapping[str, str] | None = None,
    ):
        """Constructs the mapping.

        Args:
            offered: the data set's own names.
            renamed: `data.label_columns`: a label of the task to a name of the data set.
            aliases: names that other data sets use for the same findings.
        """
        self._offered = list(offered)
        self._by_label = {snake_case(name): name for name in self._offered}
        for label, name in (aliases or {}).items():
            self._by_label.setdefault(label, name)
        for label, name in renamed.items():
            self._by_label[label] = name

    def known(self) -> frozenset[str]:
        """Every label that has a name in the data set."""
        return frozenset(
            label for label, name in self._by_label.items() if name in self._offered
        ).union(self._offered)

    def match(self, labels: Iterable[str], place: str) -> dict[str, str]:
        """Returns the data set's name of every label.

        Args:
            labels: `task.labels`.
            place: the data set, for the message.

        Raises:
            InputError: the data set has no such label.
        """
        found = {}
        for label in labels:
            name = self._by_label.get(label, label)
            if name not in self._offered:
                near = difflib.get_close_matches(label, self._by_label, n=1)
                hint = f" (did you mean '{near[0]}'?)" if near else ""
                raise InputError(
                    f"task.labels names '{label}', which {place} does not have{hint}; it has "
                    f"{', '.join(sorted(map(snake_case, self._offered)))}. Where the names "
                    "differ, map them in data.label_columns"
                )
            found[label] = name
        return found
