"""Pretrains an encoder outside the pipeline, alone or together with other processes (TF_CONFIG).

    python -m pipeline.kubeflow.runtime.train_encoder --settings JSON --examples DIR --model DIR

It calls the Pretrainer's own `run_fn` with the arguments that the pipeline would pass. Afterwards,
`model.init.path` accepts `DIR/encoder` of --model, with `model.init.source=encoder`.
Exit status: 0 done; 2 bad input; 1 a bug.
"""

from __future__ import annotations

import argparse
import glob
import json
import os
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.local import marker
from pipeline.local.places import written_place
from schemas.errors import InputError


def main(argv: Sequence[str]) -> int:
    """Trains; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    add = parser.add_argument
    add("--settings", required=True, help="the trainer's custom_config as JSON, see tfjob")
    add("--examples", required=True, help="folder with Split-NAME folders of records")
    add("--model", required=True, help="folder for the encoder")
    arguments = parser.parse_args(argv)
    try:
        _train(_told(arguments.settings), arguments.examples, arguments.model)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _train(told: dict[str, Any], examples: str, model: str) -> None:
    from schemas import features

    settings = told["settings"]["pretrain"]
    train = [_records(examples, split) for split in settings["splits"]]
    validation = _records(examples, features.VALIDATION)
    place = written_place(model, "--model")
    from absl import logging

    from trainer_modules import pretrain
    from trainer_modules.training.distribution import read_cluster

    if read_cluster(os.environ).chief:  # the only one that writes
        adopted = marker.check_ours(place, _of_earlier_version)
        try:
            place.path.mkdir(parents=True, exist_ok=True)
            marker.mark(place.path, "train_encoder", adopted=adopted)
        except OSError as error:
            raise InputError(f"{place} can't be used: {error}") from None

    logging.use_absl_handler()
    logging.set_verbosity(logging.INFO)
    pretrain.run_fn(
        types.SimpleNamespace(
            train_files=[files for files in train if files],
            eval_files=[files for files in [validation] if files],
            base_model=None,
            serving_model_dir=os.path.join(model, "encoder"),
            model_run_dir=os.path.join(model, "run"),
            custom_config=told,
        )
    )


def _of_earlier_version(folder: Path) -> bool:
    """A version without markers left the encoder, its history and nothing else."""
    return {entry.name for entry in folder.iterdir()} <= {"encoder", "run"}


def _told(text: str) -> dict[str, Any]:
    try:
        told = json.loads(text)
        told["settings"]["pretrain"]["splits"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"--settings is not what kubeflow_runner.py tfjob writes ({error!r}): {text[:200]}"
        ) from None
    return told


def _records(examples: str, split: str) -> str:
    """Pattern of a split's files; empty if it has none."""
    folder = os.path.join(examples, f"Split-{split}")
    if not os.path.isdir(examples):
        raise InputError(f"--examples '{examples}' is not a folder; give ImageExampleGen's output")
    return os.path.join(folder, "*") if glob.glob(os.path.join(glob.escape(folder), "*")) else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
