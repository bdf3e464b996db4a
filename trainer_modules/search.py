"""The Tuner's `tuner_fn`: learning rate and weight decay by finetuning every candidate.

Candidates are trained on the train split and ranked on the in-distribution validation split, like
the epochs of one finetuning. A search that was killed goes on with the candidate it was at.
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
from trainer_modules.supervised.finetuning import finetune
from trainer_modules.supervised.selection import merit
from trainer_modules.training import stage
from trainer_modules.training.progress import progress

LEARNING_RATE = "learning_rate"
WEIGHT_DECAY = "weight_decay"
_MERIT = "merit"
_PROJECT = "search"


class TunerFnResult(NamedTuple):
    """What TFX's Tuner expects; TFX itself is not imported here."""

    tuner: BaseTuner
    fit_kwargs: dict[str, Any]


def tuner_fn(fn_args: stage.FnArgs) -> TunerFnResult:
    """Entry point of TFX's Tuner."""
    scratch = pathlib.Path(fn_args.working_dir)
    # The Tuner exports nothing; the stage wants to know where all the same.
    fn_args.serving_model_dir, fn_args.model_run_dir = str(scratch / "model"), str(scratch / "run")
    work = stage.read(fn_args, "finetune")
    folder = dataclasses.replace(work, name="search").checkpoints().folder
    return TunerFnResult(Search(work, folder), {})


def candidates(settings: SearchSettings, seed: int) -> list[dict[str, float]]:
    """The grid in order, or as many of its points as `trials` says, drawn by the seed."""
    grid = [
        {LEARNING_RATE: rate, WEIGHT_DECAY: decay}
        for rate, decay in itertools.product(settings.learning_rates, settings.weight_decays)
    ]
    if not 0 < settings.trials < len(grid):
        return grid
    drawn = np.random.default_rng(seed).choice(len(grid), settings.trials, replace=False)
    return [grid[place] for place in sorted(drawn)]


class ListOracle(keras_tuner.Oracle):
    """Gives out a list of candidates, one after the other.

    Keras Tuner's own grid oracle forgets where it was when it is loaded again.
    """

    def __init__(self, listed: list[dict[str, float]]) -> None:
        space = keras_tuner.HyperParameters()
        for name in listed[0]:
            space.Choice(name, sorted({candidate[name] for candidate in listed}), ordered=True)
        super().__init__(
            objective=keras_tuner.Objective(_MERIT, "max"),
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
    """Finetunes each candidate; its state lies in a folder that belongs to settings and data."""

    def __init__(self, work: stage.Stage, folder: pathlib.Path) -> None:
        settings: FinetuneSettings = work.settings
        self._work = work
        self._folder = folder
        self._listed = candidates(settings.search, work.seed)
        super().__init__(
            ListOracle(self._listed), directory=str(folder), project_name=_PROJECT, overwrite=False
        )

    def search(self) -> None:
        """Runs every candidate that has not been run."""
        super().search()
        if not any(trial.status == TrialStatus.COMPLETED for trial in self.oracle.trials.values()):
            raise InputError(
                f"finetune.search: the loss of all {len(self._listed)} candidates became infinite "
                f"or NaN. Received: {self._listed}; give smaller learning "
                "rates, or a longer finetune.optimizer.warmup_epochs"
            )
        shutil.rmtree(self._folder, ignore_errors=True)

    def results_summary(self, num_trials: int = 10) -> None:
        """Logs the best candidates; Keras Tuner's own would make the folder anew."""
        for trial in self.oracle.get_best_trials(num_trials):
            logging.info("%s of %s", trial.score, trial.hyperparameters.values)

    def run_trial(self, trial: Trial) -> dict[str, float]:
        """Finetunes one candidate and gives its best epoch's merit."""
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
                result = finetune(work, strategy, chosen=chosen, name=name)
        except Diverged as error:
            progress(f"{name} is left out: {error}")
            work.checkpoints().delete()
            raise FailedTrialError(str(error)) from error
        except Exception as error:
            # Keras Tuner takes any other exception for the candidate's fault and goes on.
            raise FatalError(str(error)) from error
        result.store.delete()
        select_by = self._work.settings.select_by
        ranked = [value for value in merit(result.best, select_by) if np.isfinite(value)]
        return {_MERIT: ranked[0]}

    def _candidate(self, chosen: dict[str, float]) -> stage.Stage:
        """The stage of one candidate, with checkpoints of its own."""
        settings: FinetuneSettings = self._work.settings
        epochs = settings.search.epochs or settings.epochs
        sections = self._work.custom_config["settings"] | {"chosen": chosen}
        return dataclasses.replace(
            self._work,
            name="candidate",
            settings=settings.model_copy(update={"epochs": epochs}),
            custom_config=self._work.custom_config | {"settings": sections},
        )
