"""What an image's size, shape, gray values, border, corners, file or labels alone give away.

A network that finds a site, or the finding itself, in the size, the exposure or the frame of a
picture has no need of the anatomy. A logistic regression and a small tree on few figures of each
picture say how far that goes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from components.data_gate.checks.index import Index
from schemas import features
from schemas.documents.data_gate import Shortcut
from trainer_modules.decisions.auc import auc_per_target
from trainer_modules.probes.logistic import fit, fit_tree, folds
from trainer_modules.settings import TaskSettings

_SIZE = ("source_height", "source_width")
_IMAGES = 20_000
_MIN_IMAGES = 20
# Fewer might all fall into one fold, and leave none to learn from.
_MIN_PATIENTS = 10
_MAX_CLASSES = 20

Columns = Mapping[str, np.ndarray]


def _plain(*names: str) -> Callable[[Columns], np.ndarray]:
    return lambda columns: np.stack([columns[name] for name in names], 1)


def _size(columns: Columns) -> np.ndarray:
    return np.log(_plain(*_SIZE)(columns))


def _aspect_ratio(columns: Columns) -> np.ndarray:
    height, width = _size(columns).T
    return (width - height)[:, None]


def _file_format(columns: Columns) -> np.ndarray:
    names, counts = np.unique(columns["file_format"], return_counts=True)
    frequent = names[np.argsort(-counts, kind="stable")][:_MAX_CLASSES]
    return (columns["file_format"][:, None] == frequent).astype(np.float64)


# Of the image before it was shrunk, but for gray values and border, which shrinking leaves alike.
_FIGURES: dict[str, Callable[[Columns], np.ndarray]] = {
    "image size": _size,
    "aspect ratio": _aspect_ratio,
    "gray values": _plain("mean", "std"),
    "image border": _plain("border_mean", "border_std"),
    "image corners": _plain(*features.CORNERS),
    "file format": _file_format,
}
_NUMBERS = (*_SIZE, "mean", "std", "border_mean", "border_std", *features.CORNERS)
_TEXTS = ("file_format", "site", "domain", features.PATIENT_ID)


def shortcuts(index: Index, task: TaskSettings) -> list[Shortcut]:
    """How well figures of the pictures predict site, domain and labels, and labels the first two.

    Returns:
        The cross-validated area under the ROC curve of the value that is told best, each against
        the rest: 0.5 where nothing is given away. Values of fewer than 20 images or 10 patients are
        left out, and a target of fewer than two values has no entry; labels are looked at within
        the in-distribution data, so that they do not stand for the domain. "labels" are no
        figures of the pictures: a site that they give away has another prevalence.
    """
    columns = _columns(index, task)
    targets = _targets(columns, task)
    figures = {title: compute(columns) for title, compute in _FIGURES.items()}
    tried = [
        (name, title, numbers, values)
        for name, values in targets.items()
        for title, numbers in figures.items()
    ]
    indicators, known = _label_indicators(columns, task)
    for name in ("site", "domain"):
        tried.append((name, "labels", indicators, np.where(known, targets[name], "")))
    patients = columns[features.PATIENT_ID]
    return [
        Shortcut(
            target=name,
            value=_value_name(name, told.value, task),
            figures=title,
            auc=told.auc,
            images=told.images,
        )
        for name, title, numbers, values in tried
        if (told := _told(numbers, values, patients)) is not None
    ]


def _targets(columns: Columns, task: TaskSettings) -> dict[str, np.ndarray]:
    """Site, domain and labels as texts, empty where unknown or not looked at."""
    inside = columns["domain"] == features.IN_DISTRIBUTION
    targets = {"site": columns["site"], "domain": columns["domain"]}
    for name in map(features.label, task.labels):
        values = columns[name].astype(np.float64)
        texts = np.where(np.isnan(values), "", values.astype(str))
        targets[name] = np.where(inside, texts, "")
    return targets


def _value_name(target: str, value: str, task: TaskSettings) -> str:
    is_class = task.classes and target.startswith(features.label(""))
    return task.classes[int(float(value))] if is_class and value else value


def _label_indicators(columns: Columns, task: TaskSettings) -> tuple[np.ndarray, np.ndarray]:
    """A column for each label or class, one half where unknown; and which rows have any label.

    Rows without one are left out: the unlabeled split would give its domain away.
    """
    labels = np.stack([columns[features.label(name)] for name in task.labels], 1)
    known = ~np.isnan(labels).all(axis=1)
    if task.classes:
        places = np.arange(min(len(task.classes), _MAX_CLASSES))
        return (labels == places).astype(np.float64), known
    return np.where(np.isnan(labels), 0.5, labels), known


def _columns(index: Index, task: TaskSettings) -> dict[str, np.ndarray]:
    """Some rows of the index, evenly spread over it."""
    numbers = [*_NUMBERS, *(features.label(name) for name in task.labels)]
    names = [*numbers, *_TEXTS]
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


@dataclasses.dataclass(frozen=True)
class _Told:
    """The value of a target that is told best; empty where there are two."""

    value: str
    auc: float
    images: int


def _told(figures: np.ndarray, values: np.ndarray, patients: np.ndarray) -> _Told | None:
    """How well figures tell the values of a target; None where that can't be said."""
    names, counts = np.unique(values[values != ""], return_counts=True)
    names = names[np.argsort(-counts, kind="stable")][:_MAX_CLASSES]
    names = np.sort([name for name in names if _is_frequent(values == name, patients)])
    chosen = np.isin(values, names)
    if len(names) < 2 or not np.ptp(figures[chosen], axis=0).any():
        return None
    truth = np.searchsorted(names, values[chosen])
    areas = np.stack(
        [_areas(fitter, figures[chosen], truth, patients[chosen]) for fitter in (fit, fit_tree)]
    ).max(axis=0)
    best = int(areas.argmax())
    return _Told(str(names[best]) if len(names) > 2 else "", float(areas[best]), int(chosen.sum()))


def _is_frequent(chosen: np.ndarray, patients: np.ndarray) -> bool:
    few = chosen.sum() < _MIN_IMAGES or len(np.unique(patients[chosen])) < _MIN_PATIENTS
    return not few


def _areas(
    fitter: Callable[[np.ndarray, np.ndarray], Any],
    figures: np.ndarray,
    truth: np.ndarray,
    patients: np.ndarray,
) -> np.ndarray:
    """The area of each value against the rest."""
    scores = np.zeros((len(truth), truth.max() + 1))
    # Whole patients are held out: their images share a size.
    for fitted, held_out in folds(truth, patients):
        model = fitter(figures[fitted], truth[fitted])
        scores[np.ix_(held_out, model.classes_)] = model.predict_proba(figures[held_out])
    known = np.ones((len(truth), 1))
    return np.array(auc_per_target(np.eye(scores.shape[1])[truth], known, scores))
