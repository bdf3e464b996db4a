"""The command `monitor`: arguments, files and exit status."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from schemas import features
from schemas.arguments import number
from schemas.errors import InputError
from schemas.printable import printable

STATUSES = {"no_alarm": 0, "alarm": 4, "too_few_data": 5}
SAID = {
    "no_alarm": "no alarm",
    "alarm": "ALARM",
    "too_few_data": "too few data to say anything; no look was counted",
}
_fraction = number(float, lambda value: 0 <= value <= 1, "0 to 1")
_small = number(float, lambda value: 0 < value <= 0.5, "more than 0, at most 0.5,")


def run(argv: Sequence[str]) -> int:
    """Looks at new predictions; returns the exit status.

    Raises:
        InputError: The verdict, the table, the history or an output can't be used.
    """
    arguments = _parser().parse_args(argv)
    from components.model_gate.monitoring import history, monitor
    from components.model_gate.standalone import prediction_file

    blessed = monitor.read_verdict(arguments.blessed)
    raw = prediction_file.read_predictions(arguments.predictions)
    path = arguments.history or str(Path(arguments.blessed).with_name(history.FILE))
    options = monitor.Options(
        arguments.domain, arguments.threshold, arguments.alpha, arguments.tolerance
    )
    _check_outputs(arguments.output, arguments.page)
    with history.opened(path, blessed.digest) as record:
        report = monitor.look(blessed, raw, record, options)
    try:
        if arguments.output:
            report.write_file(arguments.output)
        if arguments.page:
            from components.model_gate.monitoring import page

            page.write(report, arguments.page)
    except OSError as error:
        raise InputError(f"--output or --page can't be written: {error.strerror}") from None
    lines = [f"{one.status:<15} {one.message}" for one in report.drift]
    lines += [f"{one.status:<15} {one.message}" for one in report.measured]
    lines += [f"alarm: {one}" for one in report.alarms]
    lines += [f"warning: {one}" for one in report.warnings]
    for line in (*lines, SAID[report.status]):
        print(printable(line), file=sys.stderr)
    print(report.to_json(), end="")
    return STATUSES[report.status]


def _check_outputs(*paths: str) -> None:
    """Before the look is counted, as one whose report is lost would be spent for nothing."""
    for path in filter(None, paths):
        if Path(path).is_dir() or not Path(path).absolute().parent.is_dir():
            raise InputError(f"'{path}' can't be written: it is a folder, or its folder is missing")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m components.model_gate monitor",
        description="Compares new predictions of a released model, labeled or not, with those on "
        "which it was blessed. Looking every month is allowed: all looks together raise a false "
        "alarm with a chance of at most --alpha.",
        epilog="exit status: 0 no alarm; 4 alarm; 5 too few data to say; 2 bad input; 1 a bug. "
        "The report is on stdout. docs/monitoring.md explains it.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--blessed", required=True, metavar="VERDICT", help="JSON of the gate on the released model"
    )
    parser.add_argument(
        "--predictions",
        required=True,
        metavar="FILE",
        help="new predictions, CSV or Parquet, gzipped or not, or - for standard input: "
        "patient_id and score (or score/NAME), optional: label (or label/NAME), decision, site, "
        "domain, statistic/NAME, left_out",
    )
    parser.add_argument(
        "--domain",
        default="",
        choices=features.DOMAINS,
        help="of the verdict, with which to compare (default: the table's, or in_distribution)",
    )
    parser.add_argument(
        "--history",
        default="",
        metavar="FILE",
        help="looks so far (default: monitor_history.jsonl beside the verdict)",
    )
    parser.add_argument(
        "--alpha",
        type=_small,
        default=0.05,
        help="chance of a false alarm in all looks together (default: 0.05)",
    )
    parser.add_argument(
        "--tolerance",
        type=_fraction,
        default=0.05,
        metavar="DISTANCE",
        help="share of patients that may move before drift is an alarm (default: 0.05)",
    )
    parser.add_argument(
        "--threshold", type=_fraction, help="of the decisions (default: the verdict's)"
    )
    parser.add_argument("--output", default="", metavar="FILE", help="file for the JSON, too")
    parser.add_argument("--page", default="", metavar="FILE", help="file for a page of HTML")
    return parser
