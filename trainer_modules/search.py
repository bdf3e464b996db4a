"""The Tuner's `tuner_fn`: finds learning rate and weight decay by finetuning every candidate.

Candidates are trained on the train split and ranked on the in-distribution validation split, like
the epochs of one finetuning. An interrupted search resumes with the candidate it was training.
"""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
import shutil
from typing import Any, NamedTuple

import keras_tuner
import numpy as np
from absl import logging
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.engine.trial import Trial, TrialStatus
from keras_tuner.errors import FailedTrialError, FatalError

from schemas.errors import Diverged, InputError
from trainer_modules.settings import FinetuneSettings, SearchSettings
from trainer_modules.supervised.fit_classifier import fit_classifier
from trainer_modules.supervised.selection import selection_score
from trainer_modules.training import stage
from trainer_modules.training.progress import progress

LEARNING_RATE = "learning_rate"
WEIGHT_DECAY = "weight_decay"
_OBJECTIVE = "selection_score"
_PROJECT = "search"


class TunerFnResult(NamedTuple):
    """What TFX's Tuner expects; TFX itself is not imported here."""

    tuner: BaseTuner
    fit_kwargs: dict[str, Any]


def tuner_fn(fn_args: stage.FnArgs) -> TunerFnResult:
    """Entry point of TFX's Tuner."""
    scratch = pathlib.Path(fn_args.working_dir)
    # The Tuner exports nothing, but the stage requires a folder.
    fn_args.serving_model_dir, fn_args.model_run_dir = str(scratch / "model"), str(scratch / "run")
    work = stage.read(fn_args, "finetune")
    folder = dataclasses.replace(work, name="search").checkpoints().folder
    return TunerFnResult(Search(work, folder), {})


def candidates(settings: SearchSettings, seed: int) -> list[dict[str, float]]:
    """The grid in order, or `trials` of its points, drawn by the seed."""
    grid = [
        {LEARNING_RATE: rate, WEIGHT_DECAY: decay}
        for rate, decay in itertools.product(settings.learning_rates, settings.weight_decays)
    ]
    if not 0 < settings.trials < len(grid):
        return grid
    drawn = np.random.default_rng(seed).choice(len(grid), settings.trials, replace=False)
    return [grid[place] for place in sorted(drawn)]


class ListOracle(keras_tuner.Oracle):
    """Hands out a list of candidates, one after the other.

    Keras Tuner's own grid oracle loses its position when it is reloaded.
    """

    def __init__(self, listed: list[dict[str, float]]) -> None:
        space = keras_tuner.HyperParameters()
        for name in listed[0]:
            space.Choice(name, sorted({candidate[name] for candidate in listed}), ordered=True)
        super().__init__(
            objective=keras_tuner.Objective(_OBJECTIVE, "max"),
            max_trials=len(listed),
            hyperparameters=space,
            allow_new_entries=False,
            # A learning rate that is too large fails with every weight decay.
            max_consecutive_failed_trials=len(listed) + 1,
        )
        self._listed = listed

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Values of the next trial."""
        return {
            "status": TrialStatus.RUNNING,
            "values": self._listed[len(self.start_order)],
        }


class Search(BaseTuner):
    """Finetunes each candidate; its state is in a folder specific to settings and data."""

    def __init__(self, work: stage.Stage, folder: pathlib.Path) -> None:
        settings: FinetuneSettings = work.settings
        self._work = work
        self._folder = folder
        self._listed = candidates(settings.search, work.seed)
        super().__init__(
            ListOracle(self._listed), directory=str(folder), project_name=_PROJECT, overwrite=False
        )

    def search(self) -> None:
        """Runs every candidate that has not run yet."""
        super().search()
        if not any(trial.status == TrialStatus.COMPLETED for trial in self.oracle.trials.values()):
            raise InputError(
                f"finetune.search: the loss of all {len(self._listed)} candidates became infinite "
                f"or NaN. Received: {self._listed}; give smaller learning "
                "rates, or a longer finetune.optimizer.warmup_epochs"
            )
        shutil.rmtree(self._folder, ignore_errors=True)

    def results_summary(self, num_trials: int = 10) -> None:
        """Logs the best candidates; Keras Tuner's own method would recreate the folder."""
        for trial in self.oracle.get_best_trials(num_trials):
            logging.info("%s of %s", trial.score, trial.hyperparameters.values)

    def run_trial(self, trial: Trial) -> dict[str, float]:
        """Finetunes one candidate and returns the selection score of its best epoch."""
        chosen = dict(trial.hyperparameters.values)
        number = len(self.oracle.start_order)
        name = f"candidate {number}/{len(self._listed)}"
        progress(
            f"{name}: learning rate {chosen[LEARNING_RATE]:.3g}, "
            f"weight decay {chosen[WEIGHT_DECAY]:.3g}"
        )
        work = self._candidate(chosen)
        try:
            with stage.session(work) as strategy:
                result = fit_classifier(work, strategy, chosen=chosen, name=name)
        except Diverged as error:
            progress(f"{name} is left out: {error}")
            work.checkpoints().delete()
            raise FailedTrialError(str(error)) from error
        except Exception as error:
            # Keras Tuner attributes any other exception to the candidate and continues.
            raise FatalError(str(error)) from error
        result.store.delete()
        select_by = self._work.settings.select_by
        ranked = [value for value in selection_score(result.best, select_by) if np.isfinite(value)]
        return {_OBJECTIVE: ranked[0]}

    def _candidate(self, chosen: dict[str, float]) -> stage.Stage:
        """The stage of one candidate, with its own checkpoints."""
        settings: FinetuneSettings = self._work.settings
        epochs = settings.search.epochs or settings.epochs
        sections = self._work.custom_config["settings"] | {"chosen": chosen}
        return dataclasses.replace(
            self._work,
            name="candidate",
            settings=settings.model_copy(update={"epochs": epochs}),
            custom_config=self._work.custom_config | {"settings": sections},
        )
