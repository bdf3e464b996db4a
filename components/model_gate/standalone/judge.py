"""Judges a model outside the pipeline; loads TensorFlow only to call a model."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from components.model_gate.policy.files import load_policy, policy_name
from components.model_gate.policy.settings import GateSettings
from components.model_gate.provenance import digests, record
from components.model_gate.provenance import ledger as ledgers
from components.model_gate.rules import domain_rules, verdict_document
from components.model_gate.rules.evidence import Baseline, Evidence, collect
from components.model_gate.standalone import (
    finding_columns,
    formats,
    oddities,
    prediction_file,
    prediction_table,
)
from schemas import features
from schemas.documents.gate import JudgedModel, JudgedTable, StandaloneVerdict
from schemas.documents.provenance import Digests, Provenance, Reuse
from schemas.errors import InputError
from schemas.printable import printable
from trainer_modules.training.tensorflow_start import import_tensorflow

if TYPE_CHECKING:
    import pandas as pd

# Instead of a ledger's path: looks are not counted.
OFF = "none"
# Exit statuses, by the verdict's outcome.
STATUSES = {"blessed": 0, "refused": 4, "inconclusive": 5}


def judge_predictions(
    path: str,
    policy: str = "",
    threshold: float | None = None,
    subgroups: Sequence[str] = (),
    excluded: Sequence[str] = (),
    ledger: str | None = OFF,
) -> StandaloneVerdict:
    """Returns the verdict on a table of predictions, in the form of `verdict.json`.

    Args:
        path: The table.
        policy: The rules; empty: the default ones.
        threshold: Decision threshold; None: as the table says.
        subgroups: Columns to judge by.
        excluded: Columns by which not to judge.
        ledger: Counts the models judged on the test set; None: beside the table.

    Raises:
        InputError: The table, the policy or the ledger is not acceptable.
    """
    settings = load_policy(policy, serves=False)
    place, why = ledger_of(ledger, settings, path)
    return judge_table(
        prediction_file.read_predictions(path),
        settings,
        policy_name(policy),
        lambda found: record.look(place, why, found, settings),
        threshold,
        subgroups,
        excluded,
    )


def judge_table(
    raw: pd.DataFrame,
    settings: GateSettings,
    policy: str,
    look_of: Callable[[Digests], Reuse],
    threshold: float | None = None,
    subgroups: Sequence[str] = (),
    excluded: Sequence[str] = (),
) -> StandaloneVerdict:
    """Returns the verdict on columns of text; `look_of` says which look at the test set it is.

    Raises:
        InputError: The table is not acceptable, or `look_of` refuses.
    """
    predictions = prediction_table.prepare(
        raw, threshold, subgroups, excluded, settings.subgroups.min_patients
    )
    images = raw.loc[predictions.table.index, oddities.IMAGE] if oddities.IMAGE in raw else None
    found = record.digests_of(
        predictions.table, predictions.task, settings, given=raw, images=images
    )
    del raw, images  # of a large table, a third of the memory
    look = look_of(found)
    evidence = None
    if not look.refused:
        evidence = collect(
            predictions.table,
            predictions.task,
            predictions.subgroups,
            settings.model_copy(update={"confidence": look.confidence}),
            validation=predictions.validation,
            baseline_table=predictions.baseline,
            baseline=None if predictions.baseline is None else Baseline(finding_columns.BASELINE),
            thresholds=predictions.thresholds,
        )
        evidence = dataclasses.replace(evidence, notes=(*predictions.notes, *record.notes(look)))
    judged = JudgedTable(
        rows=len(predictions.table),
        patients=int(predictions.table["patient_id"].nunique()),
        threshold=next(iter(predictions.thresholds.values()))
        if len(predictions.thresholds) == 1
        else None,
        thresholds=dict(predictions.thresholds),
        threshold_chosen=predictions.chosen,
        classes=predictions.task.classes,
        subgroups=predictions.subgroups,
        ignored_columns=predictions.ignored,
    )
    made = record.provenance(found, predictions.task, predictions.subgroups)
    return _verdict(evidence, settings, policy, judged, look, made)


def judge_model(
    model_dir: str,
    examples: Sequence[str],
    baseline: str = "",
    policy: str = "",
    subgroups: Sequence[str] = (),
    classes: Sequence[str] = (),
    excluded: Sequence[str] = (),
    ledger: str | None = OFF,
    validation: Sequence[str] = (),
) -> StandaloneVerdict:
    """Returns the verdict on an exported model, run on record files and in a clean process.

    Args:
        model_dir: Folder of the SavedModel.
        examples: Patterns of the record files on which it is judged.
        baseline: Folder of a model to compare with; empty: none.
        policy: The policy file; empty: the default policy.
        subgroups: Subgroups to judge by; none: all.
        classes: Classes of a multiclass model, in order.
        excluded: Subgroups by which not to judge.
        ledger: File that counts the looks at the test set; OFF: none.
        validation: Patterns of the record files that choose the thresholds of operating points.

    Raises:
        InputError: The model, the examples, the baseline's folder, the policy or the ledger can't
            be used.
    """
    settings = load_policy(policy, serves=True)
    if importlib.util.find_spec("tensorflow") is None:
        raise InputError(
            "--model needs TensorFlow, which this environment lacks: use that of `make setup`, or "
            "--predictions, which needs none"
        )
    if validation and not settings.operating_points:
        raise InputError(
            "--validation: the policy has no operating_points, whose thresholds it would choose"
        )
    place, why = ledger_of(ledger, settings, "")
    import_tensorflow()
    from components.model_gate.serving import called_model, inputs

    other = called_model.baseline_model(baseline, model_dir) if baseline else None
    called = called_model.call_model(
        model_dir,
        examples,
        subgroups,
        classes,
        excluded,
        settings.subgroups.min_patients,
        validation,
    )
    found = record.digests_of(
        called.table,
        called.task,
        settings,
        images=called.table[features.IMAGE_ID],
        model=digests.files(model_dir),
    )
    look = record.look(place, why, found, settings)
    evidence = None
    if not look.refused:
        compared, baseline_table = None, None
        if other is not None:
            compared, baseline_table = inputs.predicted_by(other, called.files, called.task)
        evidence = collect(
            called.table,
            called.task,
            called.subgroups,
            settings.model_copy(update={"confidence": look.confidence}),
            validation=called.validation,
            baseline=compared,
            baseline_table=baseline_table,
            serving=inputs.serving(model_dir, called.files, called.table, called.task, settings),
        )
        evidence = dataclasses.replace(evidence, notes=(*evidence.notes, *record.notes(look)))
    judged = JudgedModel(
        rows=len(called.table),
        patients=int(called.table["patient_id"].nunique()),
        targets=called.task.targets,
        subgroups=called.subgroups,
        ignored_columns=called.ignored,
    )
    made = record.provenance(found, called.task, called.subgroups)
    return _verdict(evidence, settings, policy_name(policy), judged, look, made)


def _verdict(
    evidence: Evidence | None,
    settings: GateSettings,
    policy: str,
    judged: JudgedTable | JudgedModel,
    look: Reuse,
    made: Provenance,
) -> StandaloneVerdict:
    """The document; without evidence, that the policy allowed no look."""
    if evidence is None:
        verdict = domain_rules.refused(look.message)
    else:
        effective = settings.model_copy(update={"confidence": look.confidence})
        verdict = domain_rules.judge(evidence, effective)
    document = verdict_document.verdict_document(verdict, evidence, settings)
    known = dict(document) | {"provenance": made, "reuse": look}
    return StandaloneVerdict(**known, policy=policy, judged=judged)


def ledger_of(given: str | None, settings: GateSettings, predictions: str) -> tuple[str, str]:
    """The ledger's place, or why there is none.

    Args:
        given: The option `--ledger`; None if it is not given.
        settings: The policy, whose `ledger` is next.
        predictions: The table, beside which it is by default; empty for a model.
    """
    if given == OFF:
        return "", "--ledger none"
    if given is not None:
        return given, "--ledger is empty"
    if settings.ledger is not None:
        return settings.ledger, "the policy's ledger is empty"
    place = ledgers.beside(predictions) if predictions else ""
    if not place:
        return "", "there is no place for a ledger, give --ledger FILE"
    written = place if os.path.exists(place) else os.path.dirname(place)
    if not os.access(written, os.W_OK):
        return "", f"no permission to write '{written}', give --ledger FILE"
    return place, ""


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
    # A later look, or one that nobody counted, is a warning.
    if document.reuse is not None and document.reuse.look == 1:
        lines.append(f"note: {document.reuse.message}")
    lines += [f"warning: {warning}" for warning in document.warnings]
    # Names come from the table: one with a line break could say that the model is blessed.
    for line in (*lines, formats.SAID[document.outcome]):
        print(printable(line), file=sys.stderr)
    print(formats.FORMATS[form](document), end="")
    return STATUSES[document.outcome]
