"""Commands that embed any records and analyze a run's predictions under shift."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from components.predictor import record_files
from schemas.errors import InputError
from trainer_modules.training.tensorflow_start import import_tensorflow

BAD_INPUT = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit status."""
    arguments = _parser().parse_args(argv)
    try:
        if arguments.command == "embed":
            rows = embed(arguments.model, arguments.examples, arguments.output)
            print(f"{rows} embeddings in {arguments.output}", file=sys.stderr)
        else:
            from components.shift_analysis.analysis import analyze

            document = analyze(arguments.predictions, arguments.images, arguments.embeddings)
            print(document.to_json(), end="")
        return 0
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT


def embed(model_dir: str, patterns: Sequence[str], output: str) -> int:
    """Writes the embeddings of record files to a Parquet file; returns how many.

    Raises:
        InputError: The model, the records or the output can't be used.
    """
    files = record_files.matching(patterns)
    if not Path(output).absolute().parent.is_dir():
        raise InputError(f"--output '{output}': its folder does not exist")
    import_tensorflow()
    from components.predictor import embedding_table
    from components.predictor.embeddings import EmbeddingModel, embed_files

    batches = embed_files(EmbeddingModel(model_dir), files)
    return embedding_table.write(output, batches)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m components.shift_analysis",
        description="Where a model gets worse under shift, and what its embedding encodes.",
        epilog="exit status: 0; 2 bad input; 1 a bug. docs/shift.md shows examples.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    embedder = commands.add_parser("embed", help="embeddings of any split, as Parquet")
    embedder.add_argument(
        "--model", required=True, metavar="DIR", help="a SavedModel with the signature 'embed'"
    )
    embedder.add_argument(
        "--examples",
        required=True,
        action="append",
        metavar="PATTERN",
        help="GZIP TFRecords of images; may be repeated",
    )
    embedder.add_argument("--output", required=True, metavar="FILE")
    analyzer = commands.add_parser(
        "analyze",
        aliases=["analyse"],  # its name in earlier versions
        help="worst slices, performance by image statistics, probes; JSON on stdout",
    )
    analyzer.add_argument(
        "--predictions", required=True, metavar="DIR", help="output of a run's Predictor"
    )
    analyzer.add_argument(
        "--images", default="", metavar="DIR", help="the run's ingest report, for image statistics"
    )
    analyzer.add_argument(
        "--embeddings",
        default="",
        metavar="DIR",
        help="folder of embeddings-*.parquet (default: that of the predictions)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
