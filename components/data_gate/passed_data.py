"""Statistics of the last run whose data passed, kept in a folder for the next run.

It uses a folder instead of a Resolver, so that the same graph runs on Kubeflow.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from components.data_gate.artifacts import read_statistics, statistics_file
from components.data_gate.checks.distributions import Described
from components.data_gate.passed_folder import LAST, check_passed_data
from schemas.documents.data_gate import PassedImages, PassedLabels
from schemas.errors import InputError

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import statistics_pb2

    from components.data_gate.checks.feature_drift import LabelCounts


class PassedData:
    """The folder, which need not exist yet."""

    def __init__(self, folder: str):
        self._folder = folder
        self._last = os.path.join(folder, LAST)

    def statistics(self, split: str) -> statistics_pb2.DatasetFeatureStatisticsList | None:
        """Statistics of a split of the last passed run, or None."""
        if not os.path.isfile(statistics_file(self._last, split)):
            return None
        return read_statistics(self._last, split)

    def label_counts(self) -> Mapping[str, LabelCounts] | None:
        """Split -> label -> class -> examples of the last passed run, or None."""
        try:
            return PassedLabels.read(self._last).splits
        except FileNotFoundError:
            return None
        except InputError as error:
            raise InputError(
                f"data_gate.passed_data '{self._folder}': remove the folder {LAST} in it to start "
                f"anew; {error}"
            ) from None

    def described(self) -> dict[str, Described]:
        """Image statistics of the splits of the last passed run; none of an older version."""
        found = {}
        for split, images in PassedLabels.read(self._last).images.items():
            found[split] = described = Described(formats=Counter(images.formats))
            for name, counts in images.numbers.items():
                if name in described.numbers:
                    places = np.array([int(place) for place in counts], int)
                    described.numbers[name][places] = list(counts.values())
        return found

    def keep(
        self,
        statistics: str,
        splits: Sequence[str],
        label_counts: Mapping[str, LabelCounts],
        described: Mapping[str, Described],
    ) -> None:
        """Replaces the statistics of the last run by those of this one.

        Raises:
            InputError: the folder can't be written to, or no run wrote what would be replaced.
        """
        check_passed_data(self._folder)
        try:
            os.makedirs(self._folder, exist_ok=True)
            fresh = tempfile.mkdtemp(prefix=".fresh-", dir=self._folder)
            for split in splits:
                target = statistics_file(fresh, split)
                os.makedirs(os.path.dirname(target))
                shutil.copyfile(statistics_file(statistics, split), target)
            images = {split: _counts(of_split) for split, of_split in described.items()}
            PassedLabels(splits=label_counts, images=images).write(fresh)
            self._replace(fresh)
        except OSError as error:
            raise InputError(
                f"data_gate.passed_data '{self._folder}' can't be written to: {error.strerror}; "
                "give a folder where this run may write"
            ) from error

    def _replace(self, fresh: str) -> None:
        """Renames, so that a run that is killed meanwhile leaves whole statistics or none."""
        if os.path.exists(self._last):
            old = f"{fresh}-replaces"
            os.rename(self._last, old)
            os.rename(fresh, self._last)
            shutil.rmtree(old, ignore_errors=True)
        else:
            os.rename(fresh, self._last)


def _counts(described: Described) -> PassedImages:
    """The bins that are not empty."""
    return PassedImages(
        numbers={
            name: {str(place): int(counts[place]) for place in np.flatnonzero(counts)}
            for name, counts in described.numbers.items()
        },
        formats=dict(described.formats),
    )
