"""`predict`: an exported classifier on a folder, a manifest or an image, to a table.

Parses the arguments; imports nothing heavy before they are validated.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from schemas.arguments import count
from schemas.errors import InputError

BAD_INPUT = 2
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Predicts; returns the exit status."""
    given = sys.argv[1:] if argv is None else argv
    parser = _parser()
    if not given:
        parser.print_help(sys.stderr)
        return BAD_INPUT
    arguments = parser.parse_args(given)
    try:
        return _predict(arguments)
    except InputError as error:
        print(f"error: {error.on_terminal()}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("interrupted; the same command continues from here", file=sys.stderr)
        return INTERRUPTED


def _predict(arguments: argparse.Namespace) -> int:
    from components.predictor.predict import predict_to_file

    outcome = predict_to_file(
        arguments.model,
        arguments.images,
        arguments.output,
        arguments.part,
        arguments.batch_size,
        lambda text: print(f"predict: {text}", file=sys.stderr, flush=True),
    )
    lost = sum(outcome.left_out.values())
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(outcome.left_out.items()))
    print(
        f"{arguments.output}: {outcome.rows - lost:,} images predicted, {lost:,} left out"
        + (f" ({reasons})" if lost else "")
    )
    if lost == outcome.rows:
        raise InputError(f"images '{arguments.images}': none of them can be used ({reasons})")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m components.predictor",
        description="Predicts original images (JPEG, PNG, TIFF, DICOM and others) with an exported "
        "classifier, decoding them as its run did.",
        epilog="exit status: 0 done; 2 bad input; 130 interrupted (the same command continues); 1 "
        "a bug. docs/predict.md shows examples.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--model",
        required=True,
        metavar="DIR",
        help="a pushed version, a folder of versions (the newest is used), or the output of a run",
    )
    parser.add_argument(
        "--images",
        required=True,
        metavar="PATH",
        help="a folder, searched at any depth; a manifest (.csv, .csv.gz, .parquet) as for a run; "
        "or an image",
    )
    parser.add_argument(
        "--output", required=True, metavar="FILE", help="table to write, .csv or .parquet"
    )
    parser.add_argument(
        "--part",
        default="",
        metavar="NAME",
        help="data set whose settings apply, if the model was trained on several",
    )
    parser.add_argument(
        "--batch-size", type=count, default=32, metavar="N", help="images per call (default 32)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
