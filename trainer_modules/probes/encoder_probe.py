"""How many labels an encoder saves: linear probes of it and of the same network untrained.

Patients are drawn as in finetuning (`label_fraction`), so 1 % of a draw lies inside its 10 %. The
trained and the untrained network get the same draws.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import keras
import numpy as np

from schemas import features
from schemas.documents.cards import EncoderCard, NotTrained
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
class ProbeResult:
    """The probe of one network on one split: mean and standard deviation over draws.

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
    """Examples for fitting and for evaluation, opened once for all networks."""

    task: TaskSettings
    train: records.Records
    train_index: records.Index
    judged: dict[str, tuple[records.Records, records.Index]]

    def results(
        self,
        name: str,
        networks: Iterable[tuple[keras.Model, range]],
        size: int,
        fractions: Sequence[float],
    ) -> list[ProbeResult]:
        """Embeds everything once with each network, then probes every fraction in its draws.

        All labels are a single draw, so a network has a single probe of them.
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
            self._result(name, fraction, split, sizes[fraction], values)
            for (fraction, split), values in found.items()
        ]

    def _drawn(self, fraction: float, draw: int) -> tuple[np.ndarray, int]:
        """Which training images a draw keeps (bool [N]), and how many patients they belong to."""
        index = self.train_index
        chosen = choose_patients(index.patients, index.labels, index.weights, fraction, draw)
        return np.isin(index.patients, list(chosen)), len(chosen)

    def _judge(self, scores: np.ndarray, truth: records.Index) -> tuple[float, float]:
        hits = truth.labels.argmax(axis=1) == scores.argmax(axis=1)
        return mean_auc(truth.labels, truth.weights, scores), float(np.mean(hits))

    def _result(
        self,
        network: str,
        fraction: float,
        split: str,
        sizes: Sequence[tuple[int, int]],
        values: Sequence[tuple[float, float]],
    ) -> ProbeResult:
        """Mean and deviation over the draws: patients and images trained on, AUC, accuracy."""
        patients, images = np.mean(sizes, axis=0).tolist()
        auc, accuracy = np.transpose(values)
        multiclass = self.task.kind == "multiclass"
        return ProbeResult(
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
    with contextlib.suppress(InputError):  # Some data sets have no shifted part.
        judged[features.SHIFTED] = opened(features.SHIFTED)
    return Probes(task, *opened(features.TRAIN), judged)


def probe_encoder(
    encoder: Path, probes: Probes, fractions: Sequence[float], draws: int
) -> list[ProbeResult]:
    """Probes an exported encoder and its network with random weights.

    One random network says little about the others, so every draw has its own.

    Args:
        encoder: Folder of its SavedModel, with card and weights in `assets.extra`.
        probes: From `open_probes`.
        fractions: Of the training patients, whose labels are used.
        draws: How often each fraction below 1 is drawn.

    Raises:
        InputError: The folder holds no encoder exported by this pipeline.
    """
    card = _card(encoder)
    model = ModelSettings.model_validate(card.model)
    if isinstance(card.trained_on, NotTrained) or not model.traits.trained:
        raise InputError(f"{encoder} is an unmodified SavedModel, which has no untrained version")
    seed = card.trained_on.seed

    def untrained() -> Iterator[tuple[keras.Model, range]]:
        for draw in range(draws):
            keras.utils.set_random_seed(seed + draw)
            yield registry.build_backbone(model), range(draw, draw + 1)

    network = registry.build_backbone(model)
    initialization.initialize(network, InitSettings(source="encoder", path=str(encoder)))
    size = model.image_size
    return [
        *probes.results("encoder", [(network, range(draws))], size, fractions),
        *probes.results("random init", untrained(), size, fractions),
    ]


def _embed(network: keras.Model, size: int, source: records.Records) -> np.ndarray:
    batches = input_batches.evaluation_batches(source, size, _BATCH)
    return network.predict(batches, verbose=0)


def _card(encoder: Path) -> EncoderCard:
    try:
        return EncoderCard.read(encoder)
    except (OSError, InputError) as error:
        raise InputError(
            f"{error}; give the folder of a SavedModel that the Pretrainer or the Upstream Trainer "
            "exported"
        ) from error
