"""Judges a model outside the pipeline; loads TensorFlow only to call a model."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence

from components.model_gate.policy.files import load_policy, policy_name
from components.model_gate.rules import domain_rules, verdict_document
from components.model_gate.rules.evidence import Baseline, collect
from components.model_gate.standalone import (
    finding_columns,
    formats,
    prediction_file,
    prediction_table,
)
from schemas.documents.gate import JudgedModel, JudgedTable, StandaloneVerdict
from schemas.errors import InputError
from schemas.printable import printable
from trainer_modules.training.tensorflow_start import import_tensorflow

# Exit statuses, by the verdict's outcome.
STATUSES = {"blessed": 0, "refused": 4, "inconclusive": 5}


def judge_predictions(
    path: str,
    policy: str = "",
    threshold: float | None = None,
    subgroups: Sequence[str] = (),
    excluded: Sequence[str] = (),
) -> StandaloneVerdict:
    """Returns the verdict on a table of predictions, in the form of `verdict.json`.

    Raises:
        InputError: The table or the policy is not acceptable.
    """
    settings = load_policy(policy, serves=False)
    predictions = prediction_table.prepare(
        prediction_file.read_predictions(path),
        threshold,
        subgroups,
        excluded,
        settings.subgroups.min_patients,
    )
    evidence = collect(
        predictions.table,
        predictions.task,
        predictions.subgroups,
        settings,
        baseline_table=predictions.baseline,
        baseline=None if predictions.baseline is None else Baseline(finding_columns.BASELINE),
        thresholds=predictions.thresholds,
    )
    evidence = dataclasses.replace(
        evidence,
        not_probabilities=evidence.not_probabilities + predictions.unscored,
        notes=predictions.notes,
    )
    verdict = domain_rules.judge(evidence, settings)
    judged = JudgedTable(
        rows=len(predictions.table),
        patients=int(predictions.table["patient_id"].nunique()),
        threshold=next(iter(predictions.thresholds.values()))
        if len(predictions.thresholds) == 1
        else None,
        thresholds=dict(predictions.thresholds),
        threshold_chosen=predictions.chosen,
        subgroups=predictions.subgroups,
        ignored_columns=predictions.ignored,
    )
    document = verdict_document.verdict_document(verdict, evidence, settings)
    return StandaloneVerdict(**dict(document), policy=policy_name(policy), judged=judged)


def judge_model(
    model_dir: str,
    examples: Sequence[str],
    baseline: str = "",
    policy: str = "",
    subgroups: Sequence[str] = (),
    classes: Sequence[str] = (),
    excluded: Sequence[str] = (),
) -> StandaloneVerdict:
    """Returns the verdict on an exported model, run on record files and in a clean process.

    Raises:
        InputError: The model, the examples, the baseline's folder or the policy can't be used.
    """
    settings = load_policy(policy, serves=True)
    import_tensorflow()
    from components.model_gate.serving import called_model, inputs

    other = called_model.baseline_model(baseline, model_dir) if baseline else None
    called = called_model.call_model(
        model_dir, examples, subgroups, classes, excluded, settings.subgroups.min_patients
    )
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
    return StandaloneVerdict(**dict(document), policy=policy_name(policy), judged=judged)


def announce(document: StandaloneVerdict, output: str, form: str = formats.JSON) -> int:
    """Writes the verdict: to stdout in a format (JSON to a file, too), readable lines to stderr.

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
    lines = [f"{rule.status:<15} {rule.name}: {rule.message}" for rule in document.rules]
    lines += [f"note: not judged by '{name}'" for name in document.judged.ignored_columns]
    lines += [f"note: {note}" for note in formats.notes(document)]
    lines += [f"warning: {warning}" for warning in document.warnings]
    # Names come from the table: one with a line break could say that the model is blessed.
    for line in (*lines, formats.SAID[document.outcome]):
        print(printable(line), file=sys.stderr)
    print(formats.FORMATS[form](document), end="")
    return STATUSES[document.outcome]
