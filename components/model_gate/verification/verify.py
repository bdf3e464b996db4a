"""`python -m components.model_gate verify VERDICT`: recomputes what a verdict says.

What is not given is not checked, and said so. A verdict whose parts agree with each other can
still be of other data: only the table, the model and the policy show that.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from components.model_gate.policy.files import load_policy
from components.model_gate.provenance import digests, ledger, record, reuse
from components.model_gate.rules import domain_rules, verdict_document
from components.model_gate.rules.evidence import Evidence, collect
from components.model_gate.standalone import judge, prediction_file
from components.model_gate.verification import minisign
from components.model_gate.verification.comparison import differences
from components.model_gate.verification.verdict_file import Known, read
from schemas import features
from schemas.documents.gate import GateVerdict, JudgedModel, JudgedTable, Rule, StandaloneVerdict
from schemas.documents.provenance import Provenance
from schemas.errors import InputError
from schemas.printable import printable
from trainer_modules.settings import TaskSettings
from trainer_modules.settings import files as settings_files

if TYPE_CHECKING:
    import pandas as pd

SAME, DIFFERS, UNCHECKED = "same", "DIFFERS", "not checked"
_STATUS_OF_DIFFERENCE = 4
_MOST_SHOWN = 20
# Who judged when, and what has a check of its own.
_OF_NO_TABLE = {"provenance", "reuse", "settings", "blessed", "outcome", "reasons"}
# In a run, these rules rest on what the table of predictions does not hold.
_NOT_OF_THE_TABLE = (
    *("non-inferiority", "subgroup non-inferiority", "tfma thresholds"),
    *("serving check", "latency ceiling", "size ceiling"),
)


class Finding(NamedTuple):
    """What became of one check."""

    status: str
    what: str
    detail: str = ""


def run(argv: Sequence[str]) -> int:
    """Runs the command; returns 0 if all that was checked is the same, 4 if something differs.

    Raises:
        InputError: A file can't be read, or the verdict has no provenance.
    """
    arguments = _parser().parse_args(argv)
    known = read(arguments.verdict)
    found = list(_findings(known, arguments))
    for one in found:
        print(f"{one.status:<11} {printable(one.what)}{': ' * bool(one.detail)}{one.detail}")
    if any(one.status == DIFFERS for one in found):
        print("the verdict DIFFERS from what was given")
        return _STATUS_OF_DIFFERENCE
    print("everything that was checked is the same")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m components.model_gate verify",
        description="Recomputes a verdict's digests, figures and decisions.",
        epilog="exit status: 0 all that was checked is the same; 4 something differs; 2 bad input. "
        "docs/provenance.md says what each check shows.",
        allow_abbrev=False,
    )
    parser.add_argument("verdict", metavar="VERDICT", help="a verdict.json")
    parser.add_argument(
        "--predictions",
        default="",
        metavar="FILE",
        help="the judged table, on which everything is judged again; of a run, the Predictor's "
        "predictions.parquet",
    )
    parser.add_argument("--model", default="", metavar="DIR", help="the judged SavedModel")
    parser.add_argument("--policy", default="", metavar="FILE", help="the policy judged by")
    parser.add_argument(
        "--public-key",
        default="",
        metavar="KEY",
        help="whose signature VERDICT.minisig must be: a file of `minisign -G`, or its line RW...",
    )
    parser.add_argument("--ledger", default="", metavar="FILE", help="the ledger that counted it")
    return parser


def _findings(known: Known, arguments: argparse.Namespace) -> Iterator[Finding]:
    yield _signature(arguments.verdict, arguments.public_key)
    yield _compared("decision", _decision(known.verdict), _decided(known.verdict))
    yield _compared("settings", known.provenance.digests.policy, digests.policy(known.settings))
    yield from _look(known, arguments.ledger)
    yield _policy(known, arguments.policy)
    yield _model(known, arguments.model)
    if arguments.predictions:
        yield from _table(known, arguments.predictions)
    else:
        yield Finding(UNCHECKED, "table and figures", "give --predictions")
    if known.provenance.code != record.code():
        detail = f"it was judged by other code (version {known.provenance.version})"
        yield Finding(UNCHECKED, "software", printable(detail))


def _signature(path: str, public_key: str) -> Finding:
    if not public_key:
        return Finding(UNCHECKED, "signature", "give --public-key")
    problem = minisign.problem(path, minisign.public_key(public_key))
    return (
        Finding(DIFFERS, "signature", printable(problem)) if problem else Finding(SAME, "signature")
    )


def _compared(what: str, first: Any, other: Any) -> Finding:
    found = list(differences(first, other))
    if not found:
        return Finding(SAME, what)
    more = f"; and {len(found) - _MOST_SHOWN} more" if len(found) > _MOST_SHOWN else ""
    # A single value has no path of its own.
    lines = [one.removeprefix(": ") for one in found[:_MOST_SHOWN]]
    return Finding(DIFFERS, what, "; ".join(lines) + more)


def _decision(verdict: GateVerdict) -> dict[str, Any]:
    return {
        "blessed": verdict.blessed,
        "outcome": verdict.outcome,
        "reasons": list(verdict.reasons),
    }


def _decided(verdict: GateVerdict) -> dict[str, Any]:
    """What the verdict's own rules decide."""
    outcome, reasons = domain_rules.decided(verdict.rules)
    return {"blessed": outcome == "blessed", "outcome": outcome, "reasons": reasons}


def _look(known: Known, path: str) -> Iterator[Finding]:
    """The level of the intervals follows from the number of the look, which the ledger has."""
    look = known.look
    if look.look is None:
        yield Finding(UNCHECKED, "look", look.message)
        return
    expected = reuse.spent(known.settings, look.look, {})
    stated = {"rule": look.rule, "alpha": look.alpha, "confidence": look.confidence}
    yield _compared("level of the look", stated, {name: getattr(expected, name) for name in stated})
    if not path:
        yield Finding(UNCHECKED, "number of the look", "give --ledger")
        return
    found = ledger.looks(path, known.provenance.digests)
    yield _compared("number of the look", [look.look] if not look.refused else [], found)


def _policy(known: Known, path: str) -> Finding:
    """A stand-alone policy in effect; of a run, which has a configuration, what the file names."""
    if not path:
        return Finding(UNCHECKED, "policy", "give --policy")
    if isinstance(known.verdict, StandaloneVerdict):
        serves = isinstance(known.verdict.judged, JudgedModel)
        given = load_policy(path, serves=serves).model_dump(mode="json")
        named = given
    else:
        given = load_policy(path, serves=True).model_dump(mode="json")
        named = settings_files.read_mapping(Path(path), "policy")
    stated = known.settings.model_dump(mode="json")
    return _compared("policy", _only(stated, named), _only(given, named))


def _only(tree: Any, named: Any) -> Any:
    """The part of a tree that another names; the ledger's place is no rule."""
    if not isinstance(tree, dict) or not isinstance(named, dict):
        return tree
    return {
        name: _only(tree[name], named[name]) for name in named if name in tree and name != "ledger"
    }


def _model(known: Known, folder: str) -> Finding:
    stated = known.provenance.digests.model
    if stated is None:
        detail = "a table was judged, not a model" if folder else "a table was judged"
        return Finding(UNCHECKED, "model", detail)
    if not folder:
        return Finding(UNCHECKED, "model", "give --model")
    return _compared("model", stated, digests.files(folder))


def _table(known: Known, path: str) -> Iterator[Finding]:
    judged = getattr(known.verdict, "judged", None)
    if isinstance(judged, JudgedModel):
        detail = "a model was judged: run the gate on its examples again"
        yield Finding(UNCHECKED, "table and figures", detail)
        return
    if judged is None:
        yield from _run_table(known, path)
        return
    again = _judged_again(known, judged, prediction_file.read_predictions(path))
    yield from _digests(known, again.provenance)
    if not known.look.refused:
        yield _compared("figures and rules", _figures(known.verdict), _figures(again))


def _judged_again(known: Known, judged: JudgedTable, raw: pd.DataFrame) -> StandaloneVerdict:
    given = next(iter(judged.thresholds.values())) if judged.threshold_chosen == "given" else None
    return judge.judge_table(
        raw,
        known.settings,
        known.verdict.policy if isinstance(known.verdict, StandaloneVerdict) else "",
        lambda _: known.look,
        given,
        judged.subgroups,
        judged.ignored_columns,
    )


def _digests(known: Known, again: Provenance | None) -> Iterator[Finding]:
    if again is None:
        return
    for name in ("predictions", "test_set", "scores"):
        stated, found = (getattr(one.digests, name) for one in (known.provenance, again))
        yield _compared(name.replace("_", " "), stated, found)


def _figures(verdict: GateVerdict) -> dict[str, Any]:
    return verdict.model_dump(mode="json", exclude=_OF_NO_TABLE)


def _run_table(known: Known, path: str) -> Iterator[Finding]:
    """A run's table has everything but the pushed model's scores and the serving check."""
    made = known.provenance
    given = _read_run_table(path)
    validation = given[given["split"] == features.VALIDATION]
    table = given[given["split"].isin([features.TEST, features.SHIFTED])]
    task = settings_files.validated(TaskSettings, made.task, "the verdict's task")
    again = record.digests_of(
        table,
        task,
        known.settings,
        given=given,
        images=table[features.IMAGE_ID],
        model=made.digests.model,
    )
    yield from _digests(known, made.model_copy(update={"digests": again}))
    if known.look.refused:
        return
    effective = known.settings.model_copy(update={"confidence": known.look.confidence})
    evidence = collect(table, task, made.subgroups, effective, validation=validation)
    yield _compared("figures", _measured(known.verdict), _measured(_document(evidence, known)))
    rules = domain_rules.judge(evidence, effective).rules
    yield _compared("rules", _of_the_table(known.verdict.rules), _of_the_table(rules))
    detail = f"{', '.join(_NOT_OF_THE_TABLE)}: the table does not show them"
    yield Finding(UNCHECKED, "other rules", detail)


def _read_run_table(path: str) -> pd.DataFrame:
    import pandas as pd
    import pyarrow as pa

    try:
        table = pd.read_parquet(path)
    except (OSError, pa.ArrowException, ValueError) as error:
        raise InputError(f"predictions '{path}' are not readable Parquet: {error}") from None
    if missing := {"split", features.IMAGE_ID, features.DOMAIN} - set(table.columns):
        raise InputError(
            f"predictions '{path}' are not a run's predictions.parquet: no columns "
            f"{', '.join(sorted(missing))}"
        )
    return table[table["split"].isin([features.VALIDATION, features.TEST, features.SHIFTED])]


def _document(evidence: Evidence, known: Known) -> GateVerdict:
    verdict = domain_rules.refused("")
    return verdict_document.verdict_document(verdict, evidence, known.settings)


def _measured(verdict: GateVerdict) -> dict[str, Any]:
    """What the table shows, without what is decided on it."""
    left_out = {"baseline", "serving", "rules", "warnings", "version"}
    return verdict.model_dump(mode="json", exclude=_OF_NO_TABLE | left_out)


def _of_the_table(rules: Sequence[Rule]) -> list[dict[str, Any]]:
    return [one.model_dump(mode="json") for one in rules if one.name not in _NOT_OF_THE_TABLE]
