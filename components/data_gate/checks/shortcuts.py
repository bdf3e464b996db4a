"""What size, gray values, the border or the labels alone predict.

A network that recognizes a site, or the finding itself, by the size, the exposure or the frame of
an image does not need the anatomy. A logistic regression on two statistics of each image measures
how far this goes.
"""

from __future__ import annotations

import numpy as np

from components.data_gate.checks.index import Index
from schemas import features
from schemas.documents.data_gate import Shortcut
from trainer_modules.decisions.auc import mean_auc
from trainer_modules.probes.logistic import fit_folds
from trainer_modules.settings import TaskSettings

_STATISTICS = {
    "image size": ("height", "width"),
    "gray values": ("mean", "std"),
    "image border": ("border_mean", "border_std"),
}
_IMAGES = 20_000
_MIN_IMAGES = 20
# Fewer might all be in one fold, and leave none for fitting.
_MIN_PATIENTS = 10
_MAX_CLASSES = 20


def shortcuts(index: Index, task: TaskSettings) -> list[Shortcut]:
    """How well image statistics predict site, domain and labels, and labels the first two.

    Returns:
        The cross-validated area under the ROC curve (one against the rest if there are several
        classes); 0.5 is chance. A target with fewer than two classes of 20 images, or with a class
        of fewer than 10 patients, has no entry. Labels are predicted within the in-distribution
        data, so that they do not represent the domain. "labels" are not image statistics: a site
        that they predict has another prevalence.
    """
    columns = _columns(index, task)
    inside = columns["domain"] == features.IN_DISTRIBUTION
    targets = {"site": columns["site"], "domain": columns["domain"]}
    for name in map(features.label, task.labels):
        values = columns[name].astype(np.float64)
        texts = np.where(np.isnan(values), "", values.astype(str))
        targets[name] = np.where(inside, texts, "")
    tried = [
        (target, title, np.stack([columns[name] for name in names], 1), values)
        for target, values in targets.items()
        for title, names in _STATISTICS.items()
    ]
    indicators, known = _label_indicators(columns, task)
    for target in ("site", "domain"):
        tried.append((target, "labels", indicators, np.where(known, targets[target], "")))
    return [
        Shortcut(target=target, figures=title, auc=predicted[0], images=predicted[1])
        for target, title, statistics, values in tried
        if (predicted := _predicted(statistics, values, columns))
    ]


def _label_indicators(
    columns: dict[str, np.ndarray], task: TaskSettings
) -> tuple[np.ndarray, np.ndarray]:
    """A column for each label or class, one half if unknown; and which rows have any label.

    Rows without one are excluded: the unlabeled split would reveal its domain.
    """
    labels = np.stack([columns[features.label(name)] for name in task.labels], 1)
    known = ~np.isnan(labels).all(axis=1)
    if task.classes:
        places = np.arange(min(len(task.classes), _MAX_CLASSES))
        return (labels == places).astype(np.float64), known
    return np.where(np.isnan(labels), 0.5, labels), known


def _columns(index: Index, task: TaskSettings) -> dict[str, np.ndarray]:
    """Some evenly spread rows of the index."""
    numbers = [name for names in _STATISTICS.values() for name in names]
    numbers += [features.label(name) for name in task.labels]
    names = [*numbers, "site", "domain", features.PATIENT_ID]
    total = sum(batch.num_rows for batch in index.batches(["row"]))
    step = -(-total // _IMAGES) or 1
    parts: dict[str, list[np.ndarray]] = {name: [] for name in names}
    start = 0
    for batch in index.batches(names):
        first = -start % step
        for name in names:
            column = batch.column(name)[first:]
            values = column.to_numpy(zero_copy_only=False)[::step]
            parts[name].append(values.astype(np.float64) if name in numbers else values.astype(str))
        start += batch.num_rows
    return {name: np.concatenate(values) for name, values in parts.items()}


def _predicted(
    statistics: np.ndarray, values: np.ndarray, columns: dict[str, np.ndarray]
) -> tuple[float, int] | None:
    """The area and the number of images; None if it can't be estimated."""
    names, counts = np.unique(values[values != ""], return_counts=True)
    names = names[np.argsort(-counts, kind="stable")][:_MAX_CLASSES]
    names = names[[(values == name).sum() >= _MIN_IMAGES for name in names]]
    patients = columns[features.PATIENT_ID]
    if len(names) < 2:
        return None
    if any(len(np.unique(patients[values == name])) < _MIN_PATIENTS for name in names):
        return None
    chosen = np.isin(values, names)
    if not np.ptp(statistics[chosen], axis=0).any():
        return None
    truth = np.searchsorted(np.sort(names), values[chosen])
    scores = np.zeros((len(truth), len(names)))
    # Whole patients are held out: their images share a size.
    for model, held_out in fit_folds(statistics[chosen], truth, patients[chosen]):
        places = np.ix_(held_out, model.classes_)
        scores[places] = model.predict_proba(statistics[chosen][held_out])
    # The two classes of a binary target have the same area.
    area = mean_auc(np.eye(len(names))[truth], np.ones((len(truth), 1)), scores)
    return area, int(chosen.sum())
