"""`python -m components.model_gate plan`: how many patients a policy takes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from components.model_gate.planning import assumptions, pilot, plan, shown
from components.model_gate.planning.assumptions import Given
from components.model_gate.policy.files import load_policy
from components.model_gate.provenance import reuse
from schemas.arguments import count, number
from schemas.atomic_write import replacing
from schemas.errors import InputError
from schemas.printable import printable

# Exit statuses, by the plan's outcome: the gate would refuse, or find too few data.
STATUSES = {"planned": 0, "unreachable": 4, "beyond": 5}
_MOST_IMAGES_PER_PATIENT = 1000

_share = number(float, lambda value: 0 <= value <= 1, "0 to 1")
_inside = number(float, lambda value: 0 < value < 1, "a number between 0 and 1")
_part = number(float, lambda value: 0 < value <= 1, "above 0, to 1,")


def run(argv: Sequence[str]) -> int:
    """Plans; returns the exit status.

    Raises:
        InputError: Policy, pilot or options are not acceptable.
    """
    options = _parser().parse_args(argv)
    settings = load_policy(options.policy, serves=False)
    look = reuse.spent(settings, options.look, {})
    if look.refused:
        raise InputError(f"--look {options.look}: {look.message}")
    settings = settings.model_copy(update={"confidence": look.confidence})
    groups = _groups(options.group)
    columns = assumptions.group_columns(settings) | set(groups)
    pilots = (
        pilot.read(options.predictions, columns, options.finding) if options.predictions else {}
    )
    given = Given(
        **{name: getattr(options, name) for name in _NUMBERS},
        groups=groups,
    )
    truths, said = assumptions.assumed(given, pilots, settings)
    patients, also = assumptions.validation(given, truths, settings)
    said = (*said, *also)
    found = plan.plan(truths, said, settings, options.power, options.seed, patients, _say)
    if options.output:
        _write(options.output, found.to_json())
    print(shown.FORMATS[options.format](found), end="")
    return STATUSES[found.outcome]


def _say(line: str) -> None:
    print(printable(line), file=sys.stderr, flush=True)


def _write(path: str, content: str) -> None:
    try:
        with replacing(Path(path)) as partial:
            partial.write_text(content, encoding="utf-8")
    except OSError as error:
        raise InputError(f"--output '{path}' can't be written: {error.strerror}") from None


def _groups(given: Sequence[str]) -> dict[str, dict[str, float]]:
    """Shares by column and value, of `COLUMN=VALUE:SHARE`."""
    found: dict[str, dict[str, float]] = {}
    for text in given:
        group, _, share = text.rpartition(":")
        column, _, value = group.partition("=")
        try:
            part = float(share)
        except ValueError:
            part = -1.0
        if not (column and value and 0 < part <= 1):
            raise InputError(
                f"--group '{printable(text)}'; accepted: COLUMN=VALUE:SHARE with a share above 0, "
                "to 1, for example sex=F:0.5"
            )
        if value in found.setdefault(column, {}):
            raise InputError(f"--group '{printable(text)}': this group is given twice")
        found[column][value] = part
    for column, shares in found.items():
        if (total := sum(shares.values())) > 1 + 1e-9:
            raise InputError(
                f"--group: the shares of '{printable(column)}' add up to {total:g}; at most 1 is "
                "accepted"
            )
    return found


_NUMBERS = {
    "auc": (_share, "AUC in distribution"),
    "auc_shifted": (_share, "AUC in the shifted domain (default: as in distribution)"),
    "sensitivity": (_part, "of the decisions (default: from AUC and specificity)"),
    "sensitivity_shifted": (_part, "(default: less by what the AUC loses)"),
    "specificity": (_part, "of the decisions (default: from AUC and sensitivity)"),
    "specificity_shifted": (_part, "(default: less by what the AUC loses)"),
    "prevalence": (_inside, "share of the test set's patients with the finding"),
    "prevalence_shifted": (_inside, "(default: as in distribution)"),
    "images_per_patient": (
        number(
            float,
            lambda value: 1 <= value <= _MOST_IMAGES_PER_PATIENT,
            f"1 to {_MOST_IMAGES_PER_PATIENT}",
        ),
        "mean; most patients have few (default: 1)",
    ),
    "positive_images": (_part, "share of the images of a patient with the finding that show it"),
    "correlation": (_share, "of the scores of a patient's images (default: 0.8)"),
    "baseline_auc": (_share, "of the model to compare with (default: none is compared)"),
    "baseline_correlation": (_share, "of the two models' scores (default: 0.9)"),
    "validation_patients": (
        number(int, lambda value: 2 <= value <= 100_000, "2 to 100000"),
        "who choose the thresholds of operating points (default: 200, or more for rare findings)",
    ),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m components.model_gate plan",
        description="How many patients, with and without the finding, a policy takes to bless a "
        "model that is as good as assumed. Simulates patients and judges them as the gate does.",
        epilog="exit status: 0 planned; 4 the assumed model does not meet the policy; 5 it takes "
        "more patients than are simulated; 2 bad input. docs/planning.md shows examples.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--policy", default="", metavar="FILE", help="YAML of rules, or smoke or clinical"
    )
    parser.add_argument(
        "--predictions",
        default="",
        metavar="PILOT",
        help="table of predictions from which to estimate what no option says",
    )
    parser.add_argument("--finding", default="", metavar="NAME", help="of a pilot with several")
    for name, (kind, words) in _NUMBERS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar="X", help=words)
    parser.add_argument(
        "--group",
        action="append",
        default=[],
        metavar="COLUMN=VALUE:SHARE",
        help="share of the patients in a group that the policy names; may be repeated",
    )
    parser.add_argument(
        "--look",
        type=count,
        default=1,
        metavar="N",
        help="how many models will have been judged on the test set, with this one (default: 1); "
        "the policy's reuse says what that costs",
    )
    parser.add_argument(
        "--power",
        type=number(float, lambda value: 0.5 <= value <= 0.99, "0.5 to 0.99"),
        default=0.8,
        metavar="X",
        help="share of such models that are to be blessed (default: 0.8)",
    )
    parser.add_argument(
        "--seed",
        type=number(int, lambda value: 0 <= value < 2**32, "a whole number from 0"),
        default=0,
        metavar="N",
        help="of the simulation (default: 0)",
    )
    parser.add_argument("--format", choices=tuple(shown.FORMATS), default=shown.TEXT)
    parser.add_argument("--output", default="", metavar="FILE", help="for the JSON, too")
    return parser
