"""The decision of a multiclass task: the class of the highest probability.

Of classes with the same probability, it is the first in the order of `task.classes`. The graph of
an exported classifier decides by the same rule, on the probabilities that it returns, so that a
table of them is enough to repeat its decisions.
"""

from __future__ import annotations

import numpy as np


def decide(probabilities: np.ndarray) -> np.ndarray:
    """One-hot decisions [N, T]; a row with a value that is not finite has no class.

    Args:
        probabilities: [N, T].
    """
    decided = np.zeros(probabilities.shape)
    rows = np.flatnonzero(np.isfinite(probabilities).all(axis=1))
    # NumPy's argmax is the first of equals.
    decided[rows, probabilities[rows].argmax(axis=1)] = 1.0
    return decided
