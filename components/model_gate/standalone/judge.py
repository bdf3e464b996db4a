"""Judges a model outside the pipeline; loads TensorFlow only to call a model."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence

from components.model_gate.rules import domain_rules, verdict_document
from components.model_gate.rules.evidence import Baseline, collect
from components.model_gate.rules.policy import load_policy
from components.model_gate.standalone import prediction_file, prediction_table
from schemas.documents.gate import JudgedModel, JudgedTable, StandaloneVerdict
from schemas.errors import InputError
from trainer_modules.training.tensorflow_start import import_tensorflow

# Exit statuses, by the verdict's outcome.
STATUSES = {"blessed": 0, "refused": 4, "inconclusive": 5}
_SAID = {
    "blessed": "blessed",
    "refused": "NOT blessed",
    "inconclusive": "NOT blessed: inconclusive, there are too few data",
}


def judge_predictions(
    path: str, policy: str = "", threshold: float | None = None, subgroups: Sequence[str] = ()
) -> StandaloneVerdict:
    """Returns the verdict on a table of predictions, in the form of `verdict.json`.

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
    judged = JudgedTable(
        rows=len(predictions.table),
        patients=int(predictions.table["patient_id"].nunique()),
        threshold=predictions.threshold,
        threshold_chosen=predictions.chosen,
        subgroups=predictions.subgroups,
        ignored_columns=predictions.ignored,
    )
    document = verdict_document.verdict_document(verdict, evidence, settings)
    return StandaloneVerdict(**dict(document), judged=judged)


def judge_model(
    model_dir: str,
    examples: Sequence[str],
    baseline: str = "",
    policy: str = "",
    subgroups: Sequence[str] = (),
    classes: Sequence[str] = (),
) -> StandaloneVerdict:
    """Returns the verdict on an exported model, run on record files and in a clean process.

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
    judged = JudgedModel(
        rows=len(called.table),
        patients=int(called.table["patient_id"].nunique()),
        targets=called.task.targets,
        subgroups=called.subgroups,
        ignored_columns=called.ignored,
    )
    document = verdict_document.verdict_document(verdict, evidence, settings)
    return StandaloneVerdict(**dict(document), judged=judged)


def announce(document: StandaloneVerdict, output: str) -> int:
    """Writes the verdict: JSON to stdout (and to a file), readable lines to stderr.

    Returns:
        The exit status.

    Raises:
        InputError: The file can't be written.
    """
    if output:
        try:
            document.write_file(output)
        except OSError as error:
            raise InputError(f"--output '{output}' can't be written: {error.strerror}") from None
    for rule in document.rules:
        print(f"{rule.status:<15} {rule.name}: {rule.message}", file=sys.stderr)
    for column in document.judged.ignored_columns:
        print(f"note: column '{column}' has too many values for a subgroup", file=sys.stderr)
    for warning in document.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(_SAID[document.outcome], file=sys.stderr)
    print(document.to_json(), end="")
    return STATUSES[document.outcome]
