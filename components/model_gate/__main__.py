"""The stand-alone gate: judges any model, or a table of its predictions.

Parses the arguments; imports nothing heavy before they are validated.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Mapping, Sequence

from schemas.arguments import number
from schemas.errors import InputError

BAD_INPUT = 2
INTERRUPTED = 130
NOT_READ = 141  # as a shell says of a program that SIGPIPE ended

# Commands before the options of a judgement, and the module whose `run(argv)` returns the exit
# status; imported when asked for.
COMMANDS: Mapping[str, str] = {
    "monitor": "components.model_gate.monitoring.command",
    "plan": "components.model_gate.planning.command",
    "show": "components.model_gate.standalone.show",
    "sign": "components.model_gate.verification.sign",
    "verify": "components.model_gate.verification.verify",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Judges, or runs another command; returns the exit status."""
    try:
        status = _run(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
        return status
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read stdout has gone, `| head` for one: what is left goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOT_READ


def _run(given: list[str]) -> int:
    if given and given[0] in COMMANDS:
        return importlib.import_module(COMMANDS[given[0]]).run(given[1:])
    arguments = _arguments(given)
    if arguments.policies:
        from components.model_gate.policy.files import described

        print(described())
        return 0
    from components.model_gate.standalone import judge

    if arguments.model:
        document = judge.judge_model(
            arguments.model,
            arguments.examples,
            arguments.baseline,
            arguments.policy,
            arguments.subgroup,
            arguments.classes,
            arguments.exclude,
            arguments.ledger,
            arguments.validation,
        )
    else:
        document = judge.judge_predictions(
            arguments.predictions,
            arguments.policy,
            arguments.threshold,
            arguments.subgroup,
            arguments.exclude,
            arguments.ledger,
        )
    return judge.announce(document, arguments.output, arguments.format)


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.model and not arguments.examples:
        parser.error("--model requires --examples: records on which to judge it")
    if arguments.model and arguments.threshold is not None:
        parser.error("--threshold applies to --predictions: an exported model has its own")
    if arguments.predictions:
        for name in ("examples", "validation", "baseline", "classes"):
            if getattr(arguments, name):
                parser.error(f"--{name} applies to --model, not to --predictions")
    return arguments


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m components.model_gate",
        description="Decides whether a model may be released, from patient-level evidence.",
        epilog="exit status: 0 blessed; 4 refused; 5 inconclusive, there are too few data; 2 bad "
        "input; 1 a bug. The verdict is on stdout, the rules in words are on stderr. "
        "docs/model_gate.md shows examples. Other commands, each with its own --help: monitor, for "
        "new predictions of a released model; plan, for how many patients a policy takes; show, "
        "for a verdict in another format; verify and sign, for a verdict that exists.",
        allow_abbrev=False,
    )
    judged = parser.add_mutually_exclusive_group(required=True)
    judged.add_argument(
        "--predictions",
        default="",
        metavar="FILE",
        help="CSV or Parquet, gzipped or not, or - for standard input, with the columns "
        "patient_id, domain (in_distribution or shifted), label (0, 1, or empty) and score (a "
        "probability), label/NAME and score/NAME of several findings, or, of classes, label (a "
        "class's name) and score/NAME of each; optional: site, "
        "subgroup columns, baseline_score, image_id, study_id, slide_id, and split, whose "
        "'validation' rows choose the threshold",
    )
    judged.add_argument(
        "--model", default="", metavar="DIR", help="a SavedModel with the tf_examples signature"
    )
    parser.add_argument(
        "--examples",
        action="append",
        default=[],
        metavar="PATTERN",
        help="GZIP TFRecords of test examples for --model; may be repeated",
    )
    parser.add_argument(
        "--validation",
        action="append",
        default=[],
        metavar="PATTERN",
        help="GZIP TFRecords of validation examples for --model, which choose the thresholds of "
        "the policy's operating points and are not judged; may be repeated",
    )
    parser.add_argument(
        "--baseline",
        default="",
        metavar="DIR",
        help="a SavedModel with which to compare --model, or a folder of pushed versions",
    )
    parser.add_argument(
        "--classes",
        type=lambda text: text.split(","),
        default=[],
        metavar="A,B,C",
        help="of a multiclass --model, by the label's numbers (default: from its card)",
    )
    judged.add_argument(
        "--policies", action="store_true", help="say which policies come with the gate, and exit"
    )
    parser.add_argument(
        "--policy",
        default="",
        metavar="FILE",
        help="YAML of rules, or the name of a policy that comes with the gate (default: smoke)",
    )
    parser.add_argument(
        "--output", default="", metavar="FILE", help="file to which to write the JSON, too"
    )
    parser.add_argument(
        "--threshold",
        type=number(float, lambda value: 0 <= value <= 1, "0 to 1"),
        help="decision threshold (default: chosen on validation rows, or 0.5 without them)",
    )
    parser.add_argument(
        "--subgroup",
        action="append",
        default=[],
        metavar="COLUMN",
        help="judge by this column; may be repeated (default: every other column)",
    )
    parser.add_argument(
        "--exclude",
        action="append",
        default=[],
        metavar="COLUMN",
        help="do not judge by this column; may be repeated",
    )
    parser.add_argument(
        "--ledger",
        metavar="FILE",
        help="counts the models judged on this test set, each at a higher level; none: they are "
        "not counted (default: gate_ledger.jsonl beside the predictions)",
    )
    parser.add_argument(
        "--format",
        choices=("json", "junit", "github", "markdown"),
        default="json",
        help="of the verdict on stdout (default: json)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
