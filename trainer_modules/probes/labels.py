"""What an encoder is worth in labels: linear probes of it and of the same network untrained.

Patients are drawn as finetuning draws them (`label_fraction`), so that 1 % of a draw lies inside
its 10 %. Trained and untrained get the same draws.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from schemas import features, model_files
from schemas.errors import InputError
from trainer_modules.backbones import registry
from trainer_modules.decisions.auc import mean_auc
from trainer_modules.input import batches as input_batches
from trainer_modules.input import records
from trainer_modules.input.label_fraction import choose_patients
from trainer_modules.probes.linear import probe_scores
from trainer_modules.settings import InitSettings, ModelSettings, TaskSettings
from trainer_modules.weights import initialization

_BATCH = 256


@dataclasses.dataclass(frozen=True)
class Figure:
    """One network's probe on one split: mean and standard deviation over draws.

    `accuracy` (of the class with the highest score) is None unless the task is multiclass.
    """

    network: str
    fraction: float
    patients: float
    images: float
    split: str
    draws: int
    auc: float
    auc_deviation: float
    accuracy: float | None
    accuracy_deviation: float | None


@dataclasses.dataclass(frozen=True)
class Probes:
    """Examples to learn from and to judge by, opened once for all networks."""

    task: TaskSettings
    train: records.Records
    train_index: records.Index
    judged: dict[str, tuple[records.Records, records.Index]]

    def figures(
        self,
        name: str,
        networks: Iterable[tuple[keras.Model, range]],
        size: int,
        fractions: Sequence[float],
    ) -> list[Figure]:
        """Embeds everything once with each network, then probes every fraction in its draws.

        All labels are one draw, whatever its number: of them a network has one probe.
        """
        found: dict[tuple[float, str], list[tuple[float, float]]] = {}
        sizes: dict[float, list[tuple[int, int]]] = {}
        for network, draws in networks:
            embed = functools.partial(_embed, network, size)
            train = embed(self.train)
            judged = {split: embed(source) for split, (source, _) in self.judged.items()}
            for fraction, draw in itertools.product(fractions, draws):
                if fraction == 1 and draw != draws[0]:
                    continue
                keep, patients = self._drawn(fraction, draw)
                sizes.setdefault(fraction, []).append((patients, int(keep.sum())))
                for split, embedded in judged.items():
                    scores = probe_scores(train[keep], self.train_index.select(keep), embedded)
                    result = self._judge(scores, self.judged[split][1])
                    found.setdefault((fraction, split), []).append(result)
        return [
            self._figure(name, fraction, split, sizes[fraction], values)
            for (fraction, split), values in found.items()
        ]

    def _drawn(self, fraction: float, draw: int) -> tuple[np.ndarray, int]:
        """Which training images a draw keeps (bool [N]), and of how many patients they are."""
        index = self.train_index
        chosen = choose_patients(index.patients, index.labels, index.weights, fraction, draw)
        return np.isin(index.patients, list(chosen)), len(chosen)

    def _judge(self, scores: np.ndarray, truth: records.Index) -> tuple[float, float]:
        hits = truth.labels.argmax(axis=1) == scores.argmax(axis=1)
        return mean_auc(truth.labels, truth.weights, scores), float(np.mean(hits))

    def _figure(
        self,
        network: str,
        fraction: float,
        split: str,
        sizes: Sequence[tuple[int, int]],
        values: Sequence[tuple[float, float]],
    ) -> Figure:
        """Mean and deviation over the draws: patients and images trained on, AUC, accuracy."""
        patients, images = np.mean(sizes, axis=0).tolist()
        auc, accuracy = np.transpose(values)
        multiclass = self.task.kind == "multiclass"
        return Figure(
            network,
            fraction,
            patients,
            images,
            split,
            len(values),
            float(auc.mean()),
            float(auc.std()),
            float(accuracy.mean()) if multiclass else None,
            float(accuracy.std()) if multiclass else None,
        )


def open_probes(examples: Path, task: TaskSettings) -> Probes:
    """Opens the labeled examples of an ImageExampleGen's folder; `shifted` may be empty.

    Raises:
        InputError: The folder has no labeled train or test examples.
    """

    def opened(split: str) -> tuple[records.Records, records.Index]:
        return records.open_labeled([f"{examples}/Split-{split}/*"], task, f"{split} split")

    judged = {features.TEST: opened(features.TEST)}
    with contextlib.suppress(InputError):  # Not every data set has a shifted part.
        judged[features.SHIFTED] = opened(features.SHIFTED)
    return Probes(task, *opened(features.TRAIN), judged)


def probe_encoder(
    encoder: Path, probes: Probes, fractions: Sequence[float], draws: int
) -> list[Figure]:
    """Figures of an exported encoder and of its network with random weights.

    One random network says little of the others, so every draw has one of its own.

    Args:
        encoder: Folder of its SavedModel, with card and weights in `assets.extra`.
        probes: From `open_probes`.
        fractions: Shares of the training patients whose labels are used.
        draws: How often each share below 1 is drawn.

    Raises:
        InputError: The folder holds no encoder that this pipeline exported.
    """
    card = _card(encoder)
    model = ModelSettings.model_validate(card["model"])
    if model.family == "saved_model":
        raise InputError(
            f"{encoder} is a SavedModel as it is, of which no untrained one can be made"
        )
    seed = int(card["trained_on"].get("seed", 0))

    def untrained() -> Iterator[tuple[keras.Model, range]]:
        for draw in range(draws):
            keras.utils.set_random_seed(seed + draw)
            yield registry.build_backbone(model), range(draw, draw + 1)

    network = registry.build_backbone(model)
    initialization.initialize(network, InitSettings(source="encoder", path=str(encoder)))
    size = model.image_size
    return [
        *probes.figures("encoder", [(network, range(draws))], size, fractions),
        *probes.figures("random init", untrained(), size, fractions),
    ]


def _embed(network: keras.Model, size: int, source: records.Records) -> np.ndarray:
    batches = input_batches.evaluation_batches(source, size, _BATCH)
    return network.predict(batches, verbose=0)


def _card(encoder: Path) -> dict[str, Any]:
    path = encoder / model_files.CARD
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        return {"model": card["model"], "trained_on": card["trained_on"]}
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{path} is no card of an encoder ({error!r}): give the folder of a SavedModel that "
            "the Pretrainer or the Upstream Trainer exported"
        ) from error
