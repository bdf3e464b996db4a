"""Reads label and subgroup columns: text into labels, numbers into bins."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Mapping, Sequence

from trainer_modules.settings import TaskSettings

UNKNOWN = "unknown"
_UNCERTAIN = {"ignore": None, "zeros": 0.0, "ones": 1.0}


class LabelColumn:
    """Reads the text of one label column as the task requires."""

    def __init__(self, task: TaskSettings, name: str, empty: float | None = None):
        """Constructs the reader.

        Args:
            task: kind, classes and the policy for uncertain values.
            name: name of the label.
            empty: value of an empty cell.
        """
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
            self.accepted = "0, 1, -1 (uncertain) or empty (unknown)"
        self._values[""] = empty

    def parse(self, text: str) -> float | None:
        """Returns 0.0, 1.0 or the class index; None when unknown.

        Raises:
            ValueError: the text is not a label; `accepted` says what is.
        """
        try:
            return self._values[text]
        except KeyError:
            raise ValueError(text) from None


class SubgroupColumn:
    """Reads the text of one subgroup column; sorts numbers into bins if the column has edges."""

    def __init__(self, name: str, bins: Mapping[str, Sequence[float]]):
        self._edges = tuple(bins.get(name, ()))
        self._names = bin_names(self._edges) if self._edges else ()
        self.accepted = "a number (data.subgroup_bins gives this column edges) or empty"

    def parse(self, text: str) -> str:
        """Returns the value or its bin; 'unknown' for an empty cell.

        Raises:
            ValueError: the column has bins and the text is not a number.
        """
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
