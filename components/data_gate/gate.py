"""Applies every check to the artifacts of the earlier stages."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

from components.data_gate import artifacts, pictures
from components.data_gate.checks import outcomes
from components.data_gate.checks.distributions import Described, describe
from components.data_gate.checks.domain_shift import domain_shift
from components.data_gate.checks.feature_drift import (
    feature_distances,
    image_distances,
    label_distances,
)
from components.data_gate.checks.index import Index
from components.data_gate.checks.near import near_duplicates
from components.data_gate.checks.patients import (
    GateNeeds,
    gate_requirements,
    split_fractions,
)
from components.data_gate.checks.quality import quality, worst
from components.data_gate.checks.shortcuts import shortcuts
from components.data_gate.passed_data import PassedData
from components.data_gate.settings import DataGateSettings
from components.image_example_gen.writing.contract import record_features, task_features
from schemas import features
from schemas.documents.data_gate import Check, DataGateReport, Distance, Shortcut
from schemas.documents.ingest import IngestReport
from trainer_modules.settings import TaskSettings

# Shifted data have another domain by definition, and usually another site.
_SHIFTED_BY_DESIGN = (features.DOMAIN, features.SITE)


@dataclasses.dataclass(frozen=True)
class Inputs:
    """Folders of the artifacts, and the splits that they have."""

    examples: str
    statistics: str
    anomalies: str
    schema: str
    ingest_report: str
    splits: Sequence[str]


class Judge:
    """The checks of one run.

    Args:
        inputs: what is judged.
        settings: what stops, what is reported, what is not looked for.
        task: labels.
        passed_data: folder of the last passed run's statistics; empty: nothing is kept.
        needs: what the model gate requires of the data; None if none follows.
    """

    def __init__(
        self,
        inputs: Inputs,
        settings: DataGateSettings,
        task: TaskSettings,
        passed_data: str,
        needs: GateNeeds | None = None,
    ):
        self._inputs = inputs
        self._settings = settings
        self._task = task
        self._index = Index(inputs.ingest_report)
        self._schema = artifacts.read_schema(inputs.schema)
        self._passed = PassedData(passed_data) if passed_data else None
        self._needs = needs
        self._ingested = IngestReport.read(inputs.ingest_report)
        splits = self._ingested.splits
        self._examples = {split: counts.examples for split, counts in splits.items()}
        self._labels = {split: counts.labels for split, counts in splits.items()}

    def report(self) -> DataGateReport:
        """Returns the outcome of every check, and details to show."""
        settings = self._settings
        made = {
            "anomalies": self._anomalies,
            "patient_overlap": lambda: self._overlap("patient_overlap", features.PATIENT_ID),
            "study_overlap": lambda: self._overlap("study_overlap", features.STUDY_ID),
            "slide_overlap": lambda: self._overlap("slide_overlap", features.SLIDE_ID),
            "duplicates": lambda: outcomes.duplicates(
                self._index.shared("digest"), settings.duplicates
            ),
            "near_duplicates": lambda: outcomes.near_duplicates(
                near_duplicates(self._index, settings.near_duplicate_bits),
                settings.near_duplicates,
            ),
            "class_counts": lambda: outcomes.class_counts(
                self._labels, self._examples, settings.min_per_class, settings.class_counts
            ),
            "gate_requirements": lambda: gate_requirements(
                self._ingested, self._needs, settings.gate_requirements
            ),
            "split_fractions": lambda: split_fractions(self._ingested, settings.split_fractions),
            "subgroup_counts": lambda: outcomes.subgroup_counts(
                self._index.subgroup_counts((features.TEST, features.SHIFTED)),
                settings.min_per_subgroup,
                settings.subgroup_counts,
            ),
            "identifying_metadata": self._identifying_metadata,
            "shortcuts": lambda: outcomes.shortcuts(
                self._shortcuts, settings.shortcut_auc, settings.shortcuts
            ),
            "quality": lambda: quality(self._ingested, settings.quality_fraction, settings.quality),
            "domain_drift": lambda: outcomes.drift(
                "domain_drift", self._domain_distances, "train", settings.domain_drift
            ),
            "previous_drift": lambda: outcomes.drift(
                "previous_drift",
                self._previous_distances,
                "the last passed run",
                settings.previous_drift,
            ),
        }
        found = [
            outcomes.looked_for(name, getattr(settings, name), check)
            for name, check in made.items()
        ]
        return outcomes.to_report(found, self._shown(found))

    def keep_passed(self) -> None:
        """Stores the statistics for comparison by the next run."""
        if self._passed:
            self._passed.keep(
                self._inputs.statistics, self._inputs.splits, self._labels, self._described
            )

    def _shown(self, found: Sequence[Check]) -> dict[str, Any]:
        looked = {check.name for check in found if check.action != "ignore"}
        pairs = pictures.pairs(found, self._settings.pictured_pairs)
        shows = self._ingested.pictures
        names = {side.image for pair in pairs for side in pair.sides} if shows != "none" else set()
        low = []
        if shows == "all" and "quality" in looked:
            low = worst(self._index, self._settings.pictured_quality)
            names |= {image.image for image in low}
        distances = {
            "domain_drift": self._domain_distances if "domain_drift" in looked else None,
            "previous_drift": self._previous_distances if "previous_drift" in looked else None,
        }
        return {
            "drift": domain_shift(self._index, self._task) if "domain_drift" in looked else [],
            "distances": {name: measured or [] for name, measured in distances.items()},
            "shortcuts": self._shortcuts if "shortcuts" in looked else [],
            "pairs": pairs,
            "worst": low,
            "thumbnails": pictures.thumbnails(self._index, self._inputs.examples, names),
        }

    def _overlap(self, name: str, column: str) -> Check:
        judge, severity = getattr(outcomes, name), getattr(self._settings, name)
        unknown, images = self._index.without(column)
        if column == features.PATIENT_ID:
            unknown += self._ingested.own_patients
        return judge(self._index.shared(column), severity, unknown, images)

    def _anomalies(self) -> Check:
        return outcomes.anomalies(
            artifacts.read_anomalies(self._inputs.anomalies, self._inputs.splits),
            set(task_features(self._task, self._index.subgroups)),
            {split for split, count in self._examples.items() if not count},
            self._settings.anomalies,
            self._settings.anomaly_kinds,
        )

    def _identifying_metadata(self) -> Check:
        names = artifacts.read_record_features(self._inputs.examples, self._inputs.splits)
        names |= artifacts.read_statistics_features(self._inputs.statistics, self._inputs.splits)
        accepted = {feature.name for feature in self._schema.feature}
        accepted.update(record_features(self._task, self._index.subgroups))
        return outcomes.identifying_metadata(
            names, accepted, self._index.raw_identities(), self._settings.identifying_metadata
        )

    @functools.cached_property
    def _shortcuts(self) -> list[Shortcut]:
        return shortcuts(self._index, self._task)

    @functools.cached_property
    def _described(self) -> dict[str, Described]:
        return describe(self._index)

    @functools.cached_property
    def _domain_distances(self) -> list[Distance] | None:
        """Distances of the shifted split from the training split."""
        if not self._examples.get(features.SHIFTED) or not self._examples.get(features.TRAIN):
            return None
        statistics, train = (
            artifacts.read_statistics(self._inputs.statistics, split)
            for split in (features.SHIFTED, features.TRAIN)
        )
        most = self._settings.drift_distance
        shifted, labels = features.SHIFTED, self._labels
        return [
            *image_distances(
                shifted,
                self._described[shifted],
                self._described[features.TRAIN],
                self._schema,
                most,
            ),
            *feature_distances(shifted, statistics, train, self._schema, most, _SHIFTED_BY_DESIGN),
            *label_distances(shifted, labels[shifted], labels[features.TRAIN], most),
        ]

    @functools.cached_property
    def _previous_distances(self) -> list[Distance] | None:
        """Distances of every split from the same split of the last passed run."""
        before = self._passed.label_counts() if self._passed else None
        if self._passed is None or before is None:
            return None
        described = self._passed.described()
        found, most = [], self._settings.drift_distance
        for split in self._inputs.splits:
            baseline = self._passed.statistics(split)
            if baseline is None or not self._examples.get(split):
                continue
            statistics = artifacts.read_statistics(self._inputs.statistics, split)
            if split in described:
                found += image_distances(
                    split, self._described[split], described[split], self._schema, most
                )
            found += feature_distances(split, statistics, baseline, self._schema, most)
            found += label_distances(split, self._labels[split], before.get(split, {}), most)
        return found
