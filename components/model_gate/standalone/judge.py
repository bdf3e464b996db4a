"""Judges a model outside the pipeline; loads TensorFlow only when a model is to be called."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components.model_gate.rules import domain_rules, report
from components.model_gate.rules.evidence import Baseline, collect
from components.model_gate.rules.policy import load_policy
from components.model_gate.standalone import prediction_file, prediction_table
from schemas.errors import InputError
from trainer_modules.training.tensorflow_start import import_tensorflow

BLESSED = 0
REFUSED = 4


def judge_predictions(
    path: str, policy: str = "", threshold: float | None = None, subgroups: Sequence[str] = ()
) -> dict[str, Any]:
    """The verdict on a table of predictions, as the document that `verdict.json` holds.

    Raises:
        InputError: The table or the policy is not acceptable.
    """
    settings = load_policy(policy, serves=False)
    predictions = prediction_table.prepare(
        prediction_file.read_predictions(path), threshold, subgroups
    )
    evidence = collect(
        predictions.table,
        prediction_table.TASK,
        predictions.subgroups,
        settings,
        baseline_table=predictions.baseline,
        baseline=None if predictions.baseline is None else Baseline(prediction_table.BASELINE),
    )
    evidence = dataclasses.replace(
        evidence, not_probabilities=evidence.not_probabilities + predictions.unscored
    )
    verdict = domain_rules.judge(evidence, settings)
    return report.verdict_document(verdict, evidence, settings) | {
        "judged": {
            "rows": len(predictions.table),
            "patients": int(predictions.table["patient_id"].nunique()),
            "threshold": predictions.threshold,
            "threshold_chosen": predictions.chosen,
            "subgroups": list(predictions.subgroups),
            "ignored_columns": list(predictions.ignored),
        }
    }


def judge_model(
    model_dir: str,
    examples: Sequence[str],
    baseline: str = "",
    policy: str = "",
    subgroups: Sequence[str] = (),
    classes: Sequence[str] = (),
) -> dict[str, Any]:
    """The verdict on an exported model, run on record files and tried out in a clean process.

    Raises:
        InputError: The model, the examples, the baseline's folder or the policy can't be used.
    """
    settings = load_policy(policy, serves=True)
    import_tensorflow()
    from components.model_gate.serving import called_model, inputs

    other = called_model.baseline_model(baseline, model_dir) if baseline else None
    called = called_model.call_model(model_dir, examples, subgroups, classes)
    compared, baseline_table = None, None
    if other is not None:
        compared, baseline_table = inputs.predicted_by(other, called.files, called.task)
    evidence = collect(
        called.table,
        called.task,
        called.subgroups,
        settings,
        baseline=compared,
        baseline_table=baseline_table,
        serving=inputs.serving(model_dir, called.files, called.table, called.task, settings),
    )
    verdict = domain_rules.judge(evidence, settings)
    return report.verdict_document(verdict, evidence, settings) | {
        "judged": {
            "rows": len(called.table),
            "patients": int(called.table["patient_id"].nunique()),
            "targets": list(called.task.targets),
            "subgroups": list(called.subgroups),
            "ignored_columns": list(called.ignored),
        }
    }


def announce(document: dict[str, Any], output: str) -> int:
    """Writes the verdict: JSON to stdout (and a file), lines for people to stderr.

    Returns:
        The exit status.

    Raises:
        InputError: The file can't be written.
    """
    text = json.dumps(document, indent=1, allow_nan=False)
    if output:
        _write(Path(output), text + "\n")
    for rule in document["rules"]:
        print(f"{rule['status']:<15} {rule['name']}: {rule['message']}", file=sys.stderr)
    for column in document.get("judged", {}).get("ignored_columns", ()):
        print(f"note: column '{column}' has too many values for a subgroup", file=sys.stderr)
    blessed = document["blessed"]
    print("blessed" if blessed else "NOT blessed", file=sys.stderr)
    print(text)
    return BLESSED if blessed else REFUSED


def _write(path: Path, text: str) -> None:
    # Replaced in one step: whoever waits for the file never reads half a verdict.
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise InputError(f"--output '{path}' can't be written: {error.strerror}") from None
