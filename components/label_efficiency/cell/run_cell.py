"""One cell from its labels to its predictions: draw, search, train, score, write."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging

from components.label_efficiency.cell import labels, training
from components.label_efficiency.cell.cell import (
    NOT_ENOUGH_LABELS,
    SPLIT_COLUMN,
    TABLE_FILE,
    TRAINED,
    WEIGHTS_FILE,
)
from schemas import features
from schemas.documents.study import Candidate, Cell, CellResult, Tried
from schemas.errors import InputError
from trainer_modules.decisions import one_class
from trainer_modules.input import records
from trainer_modules.settings import InitSettings
from trainer_modules.weights import initialization


@dataclasses.dataclass(frozen=True)
class Inputs:
    """Inputs of a cell.

    Attributes:
        files: Record files of the splits train, validation, test and shifted; a missing split's
            are empty.
        encoder: Folder of an exported encoder; empty: `init` decides.
        init: First weights if there is no encoder.
        searched: Folder of the cell whose search result to use; empty: this cell searches.
        start: Folder of the cell whose classifier to train further; empty: none.
        division_seed: Of the shifted patients' division.
        keep_weights: Whether another cell continues from this one.
    """

    files: Mapping[str, Sequence[str]]
    encoder: str
    init: InitSettings
    searched: str
    start: str
    division_seed: int
    keep_weights: bool


@dataclasses.dataclass(frozen=True)
class _Parts:
    """The labeled examples that a cell may use, by purpose."""

    train: labels.Part
    validation: labels.Part
    test: labels.Part
    adaptation: labels.Part | None
    evaluation: labels.Part | None


def run_cell(
    cell: Cell,
    job: training.Job,
    inputs: Inputs,
    strategy: tf.distribute.Strategy,
    folder: Path,
) -> CellResult:
    """Computes a cell and writes its files, cell.json last.

    Raises:
      InputError: A split without labels, or every candidate of the search diverged.
    """
    started = time.monotonic()
    parts = _open(inputs, job)
    drawn = _draw(cell, parts, job)
    shortage = drawn.shortage or _shortage_before(inputs)
    found: dict[str, Any] = {}
    if shortage:
        logging.warning("%s: not enough labels: %s", cell.name, shortage)
    else:
        network, found = _trained(job, inputs, drawn, parts.validation, strategy)
        _write_predictions(network, parts, job, folder)
        if inputs.keep_weights:
            _save_weights(network.classifier.get_weights(), folder / WEIGHTS_FILE)
    result = CellResult(
        cell=cell,
        status=NOT_ENOUGH_LABELS if shortage else TRAINED,
        reason=shortage,
        patients=len(np.unique(drawn.index.patients)),
        images=len(drawn.index),
        seconds=round(time.monotonic() - started, 2),
        **found,
    )
    result.write(folder)
    return result


def _open(inputs: Inputs, job: training.Job) -> _Parts:
    def part(split: str) -> labels.Part:
        return records.open_labeled(inputs.files[split], job.task, f"{split} split")

    adaptation = evaluation = None
    if inputs.files[features.SHIFTED]:
        adaptation, evaluation = labels.divide_shifted(
            part(features.SHIFTED), job.settings.evaluation_share, inputs.division_seed
        )
    return _Parts(
        part(features.TRAIN), part(features.VALIDATION), part(features.TEST), adaptation, evaluation
    )


def _draw(cell: Cell, parts: _Parts, job: training.Job) -> labels.Drawn:
    if cell.shifted_fraction is None:
        return labels.draw(parts.train, cell.fraction, cell.seed, job.task)
    if parts.adaptation is None:
        return dataclasses.replace(
            labels.draw(parts.train, cell.fraction, cell.seed, job.task),
            shortage="there are no shifted images",
        )
    return labels.draw(parts.adaptation, cell.shifted_fraction, cell.seed, job.task)


def _shortage_before(inputs: Inputs) -> str:
    """Why the preceding cell has no result."""
    for folder in (inputs.start, inputs.searched):
        if folder and (before := CellResult.read(folder)).status == NOT_ENOUGH_LABELS:
            return f"{before.cell.name}: {before.reason}"
    return ""


def _trained(
    job: training.Job,
    inputs: Inputs,
    drawn: labels.Drawn,
    validation: labels.Part,
    strategy: tf.distribute.Strategy,
) -> tuple[training.Network, dict[str, Any]]:
    """The network of the best candidate, and its entries in cell.json."""
    first = _first_weights(job, inputs)
    tried: list[Tried] = []
    best: list[np.ndarray] = []
    chosen, best_auc = None, -math.inf
    for candidate in _candidates(inputs, job):
        network = training.train(first, drawn, candidate, job, strategy)
        auc = training.mean_auc(validation[1], network.probabilities(validation[0], job))
        tried.append(Tried(candidate=candidate, validation_auc=auc))
        if auc > best_auc:
            chosen, best_auc, best = candidate, auc, network.classifier.get_weights()
    if chosen is None:
        rates = [one.candidate.learning_rate for one in tried]
        raise InputError(
            f"study.learning_rates: validation has no AUC after training with {rates}; either all "
            "diverged (lower the rates) or validation holds one class"
        )
    network.classifier.set_weights(best)
    search = tried if not inputs.searched else []
    return network, {"chosen": chosen, "search": search, "validation_auc": best_auc}


def _candidates(inputs: Inputs, job: training.Job) -> list[Candidate]:
    if not inputs.searched:
        return job.settings.candidates
    chosen = CellResult.read(inputs.searched).chosen
    if chosen is None:
        raise InputError(f"cell '{inputs.searched}': its search chose no learning rate")
    return [chosen]


def _first_weights(job: training.Job, inputs: Inputs) -> list[np.ndarray]:
    """The first weights of every candidate; random ones depend on the seed."""
    if inputs.start:
        with np.load(Path(inputs.start) / WEIGHTS_FILE, allow_pickle=False) as file:
            return [file[name] for name in sorted(file.files)]
    init = inputs.init
    if inputs.encoder:
        init = InitSettings(source="encoder", path=inputs.encoder)
    classifier = training.build(job)
    initialization.initialize(classifier.encoder, init)
    return classifier.get_weights()


def _save_weights(weights: Sequence[np.ndarray], path: Path) -> None:
    np.savez(
        path, allow_pickle=False, **{f"{number:05d}": array for number, array in enumerate(weights)}
    )


def _write_predictions(
    network: training.Network, parts: _Parts, job: training.Job, folder: Path
) -> None:
    """Writes a table of labels and scores on the test split and held-out shifted patients."""
    import pandas as pd

    tables = []
    for split, part in ((features.TEST, parts.test), (features.SHIFTED, parts.evaluation)):
        if part is None:
            continue
        source, index = part
        score = network.probabilities(source, job)
        weights = np.broadcast_to(index.weights, index.labels.shape)
        columns: dict[str, object] = {
            SPLIT_COLUMN: split,
            features.PATIENT_ID: [name.decode("utf-8") for name in index.patients],
        }
        # Uncalibrated and without an operating point: for ranking, not for decisions.
        exclusive = job.task.kind == "multiclass"
        decided = one_class.decide(score) if exclusive else (score >= 0.5).astype(np.float64)
        for target, name in enumerate(job.task.targets):
            columns[features.label(name)] = index.labels[:, target]
            columns[features.label_weight(name)] = weights[:, target]
            columns[features.prediction(name)] = score[:, target]
            columns[features.decision(name)] = decided[:, target]
        tables.append(pd.DataFrame(columns))
    pd.concat(tables).to_parquet(folder / TABLE_FILE, index=False)
