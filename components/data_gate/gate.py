"""Applies every check to the artifacts of the stages before."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence

from components.data_gate import artifacts, checks
from components.data_gate.drift import drift
from components.data_gate.index import Index
from components.data_gate.near import near_duplicates
from components.data_gate.settings import DataGateSettings
from components.data_gate.shortcuts import shortcuts
from components.image_example_gen.contract import record_features, task_features
from trainer_modules import features
from trainer_modules.settings import TaskSettings


@dataclasses.dataclass(frozen=True)
class Inputs:
    """Folders of the artifacts, and the splits that they have."""

    examples: str
    statistics: str
    anomalies: str
    schema: str
    ingest_report: str
    splits: Sequence[str]


def judge(
    inputs: Inputs, settings: DataGateSettings, task: TaskSettings
) -> tuple[list[checks.Check], dict[str, list[dict[str, object]]]]:
    """Returns the outcome of every check, and what is only reported: drift and shortcuts."""
    index = Index(inputs.ingest_report)
    with open(os.path.join(inputs.ingest_report, "report.json"), encoding="utf-8") as file:
        counts = json.load(file)["splits"]
    examples = {split: counts[split]["examples"] for split in counts}
    labels = {split: counts[split]["labels"] for split in counts}
    subgroups = index.subgroups
    names = artifacts.read_record_features(inputs.examples, inputs.splits)
    names |= artifacts.read_statistics_features(inputs.statistics, inputs.splits)
    curated = artifacts.read_schema_features(inputs.schema)
    outcomes = [
        checks.anomalies(
            artifacts.read_anomalies(inputs.anomalies, inputs.splits),
            set(task_features(task, subgroups)),
            {split for split, count in examples.items() if not count},
            settings.anomalies,
        ),
        checks.patient_overlap(index.shared(features.PATIENT_ID), settings.patient_overlap),
        checks.duplicates(index.shared("digest"), settings.duplicates),
        checks.near_duplicates(
            near_duplicates(index, settings.near_duplicate_bits), settings.near_duplicates
        ),
        checks.class_counts(labels, examples, settings.min_per_class),
        checks.subgroup_counts(
            index.subgroup_counts((features.TEST, features.SHIFTED)), settings.min_per_subgroup
        ),
        checks.identifying_metadata(
            names,
            curated | set(record_features(task, subgroups)),
            index.raw_identities(),
        ),
    ]
    return outcomes, {"drift": drift(index, task), "shortcuts": shortcuts(index, task)}
