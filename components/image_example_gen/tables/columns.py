"""Reads label and subgroup columns: text into labels, numbers into bins."""

from __future__ import annotations

import bisect
import itertools
import math
import unicodedata
from collections.abc import Mapping, Sequence

from schemas.errors import InputError
from trainer_modules.settings import TaskSettings

UNKNOWN = "unknown"
_UNCERTAIN = {"ignore": None, "zeros": 0.0, "ones": 1.0}


class Meanings:
    """What the values of one of a table's columns mean, as `data.values` says."""

    def __init__(self, given: Mapping[str, str]):
        self.names = tuple(given)
        self._texts = {_folded(name): text for name, text in given.items()}

    def of(self, text: str) -> str | None:
        """The meaning of a cell in this project's words, None where nothing is said of it."""
        return self._texts.get(_folded(text))

    def __bool__(self) -> bool:
        return bool(self._texts)


def _folded(text: str) -> str:
    """The text without case, and in one form of its accents, which files and settings differ in."""
    return unicodedata.normalize("NFC", text).strip().casefold()


class LabelColumn:
    """Reads the text of one label column as the task requires."""

    def __init__(
        self,
        task: TaskSettings,
        name: str,
        empty: float | None = None,
        meanings: Mapping[str, str] | None = None,
    ):
        """Constructs the reader.

        Args:
            task: kind, classes and the policy for uncertain values.
            name: name of the label.
            empty: value of an empty cell.
            meanings: of the table's own values; where there are any, others are refused.

        Raises:
            InputError: a meaning is no value of the label.
        """
        self._meanings = Meanings(meanings or {})
        if task.kind == "multiclass":
            self._values: dict[str, float | None] = {
                name: float(index) for index, name in enumerate(task.classes)
            }
            shown = ", ".join(task.classes[:20]) + (" ..." if len(task.classes) > 20 else "")
            self.accepted = f"a name of task.classes ({shown}) or empty"
        else:
            uncertain = _UNCERTAIN[task.uncertain_by_label.get(name, task.uncertain)]
            self._values = {
                "0": 0.0, "0.0": 0.0, "1": 1.0, "1.0": 1.0, "-1": uncertain, "-1.0": uncertain
            }  # fmt: skip
            self._values |= {"true": 1.0, "false": 0.0}
            self.accepted = "0, 1, -1 (uncertain), True, False or empty (unknown)"
        self._values[""] = empty
        for text, meaning in (meanings or {}).items():
            if meaning not in self._values:
                raise InputError(
                    f"data.values.{name}: '{text}' becomes '{meaning}'; accepted: {self.accepted}"
                )
        if self._meanings:
            self.accepted = f"what data.values.{name} names ({', '.join(self._meanings.names)})"
            self.accepted += " or empty"
        elif task.kind != "multiclass":
            self.accepted += f"; other words can be given a meaning: data.values={{{name}: "
            self.accepted += "{Positive: 1, Negative: 0}}"
        self._folds = task.kind != "multiclass"

    def parse(self, text: str) -> float | None:
        """Returns 0.0, 1.0 or the class index; None when unknown.

        Raises:
            ValueError: the text is not a label; `accepted` says what is.
        """
        if self._meanings:
            meaning = self._meanings.of(text)
            if meaning is None and text:
                raise ValueError(text)
            text = meaning or ""
        try:
            return self._values[text.casefold() if self._folds else text]
        except KeyError:
            raise ValueError(text) from None


class SubgroupColumn:
    """Reads the text of one subgroup column; sorts numbers into bins if the column has edges."""

    def __init__(
        self,
        name: str,
        bins: Mapping[str, Sequence[float]],
        meanings: Mapping[str, str] | None = None,
    ):
        self._meanings = Meanings(meanings or {})
        self._edges = tuple(bins.get(name, ()))
        self._names = bin_names(self._edges) if self._edges else ()
        self.accepted = "a number (data.subgroup_bins gives this column edges) or empty"

    def parse(self, text: str) -> str:
        """Returns the value or its bin; 'unknown' for an empty cell.

        Raises:
            ValueError: the column has bins and the text is not a number.
        """
        meaning = self._meanings.of(text)
        text = text if meaning is None else meaning
        if not text:
            return UNKNOWN
        if not self._edges:
            return text
        value = float(text)
        if math.isnan(value):
            raise ValueError(text)
        return self._names[bisect.bisect_right(self._edges, value)]


def bin_names(edges: Sequence[float]) -> tuple[str, ...]:
    """Names of the bins between inner edges: (18, 40) gives '<18', '18-<40', '>=40'."""
    inner = [f"{low:g}-<{high:g}" for low, high in itertools.pairwise(edges)]
    return (f"<{edges[0]:g}", *inner, f">={edges[-1]:g}")
