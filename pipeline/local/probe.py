"""Linear probes of a run's encoder, compared with the same network untrained.

    python -m pipeline.local.probe

Works on the folder of a local run that has reached the Pretrainer (or, with `--stage upstream`,
the Upstream Trainer); trains nothing but logistic regressions.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.arguments import count, number
from schemas.atomic_write import replacing
from schemas.errors import InputError
from trainer_modules.training.tensorflow_start import import_tensorflow

if TYPE_CHECKING:
    from trainer_modules.probes.encoder_probe import ProbeResult

_NODES = {
    "pretrain": ("Pretrainer", "ImageExampleGen"),
    "upstream": ("Upstream", "UpstreamExampleGen"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Parses arguments, probes and prints; returns the exit status (0, or 2 for bad input)."""
    arguments = _parser().parse_args(argv)
    try:
        if arguments.json:
            _check_file(arguments.json)
        results = probe_run(
            Path(arguments.run), arguments.stage, arguments.fractions, arguments.draws
        )
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(table(results))
    if arguments.json:
        content = [dataclasses.asdict(result) for result in results]
        try:
            with replacing(arguments.json) as partial:
                partial.write_text(json.dumps(content, indent=1), encoding="utf-8")
        except OSError as error:
            print(f"error: --json '{arguments.json}': {error.strerror}", file=sys.stderr)
            return 2
    return 0


def _check_file(json_file: str) -> None:
    """Refuses, before minutes of probing, a file that could not be written."""
    path = Path(json_file)
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise InputError(
            f"--json '{json_file}' can't be written; give a file in a folder that exists and that "
            "you can write to"
        )


def probe_run(run: Path, stage: str, fractions: Sequence[float], draws: int) -> list[ProbeResult]:
    """Probes the newest encoder in the folder of a run.

    Raises:
        InputError: The folder is not that of a run, or the stage has not ended in it.
    """
    from pipeline.config.config import load_config

    encoder_node, examples_node = _NODES[stage]
    encoder = _newest(run, encoder_node, "model") / "Format-Serving"
    examples = _newest(run, examples_node, "examples")
    config = load_config(path=str(run / "config.yaml"))
    task = config.upstream.task if stage == "upstream" else config.task
    if task is None:
        raise InputError(f"--stage upstream: {run / 'config.yaml'} has no upstream.task")
    import_tensorflow()
    from trainer_modules.probes import encoder_probe

    return encoder_probe.probe_encoder(
        encoder, encoder_probe.open_probes(examples, task), fractions, draws
    )


def table(results: Sequence[ProbeResult]) -> str:
    """A table with rows of fractions and columns of networks and splits, over the draws."""
    columns = list(dict.fromkeys((result.network, result.split) for result in results))
    cells = {(f.fraction, f.network, f.split): f for f in results}
    rows = [["labels", "patients", "images", "draws", *(f"{n}, {s}" for n, s in columns)]]
    for fraction in dict.fromkeys(result.fraction for result in results):
        one = cells[(fraction, *columns[0])]
        rows.append(
            [
                f"{fraction:.3g}",
                f"{one.patients:.0f}",
                f"{one.images:.0f}",
                str(one.draws),
                *(_cell(cells[(fraction, *column)]) for column in columns),
            ]
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in rows]
    what = "AUC and accuracy" if results[0].accuracy is not None else "AUC"
    return "\n".join([f"linear probe: {what}, mean (standard deviation) over draws", *lines])


def _cell(result: ProbeResult) -> str:
    text = f"{result.auc:.3f} ({result.auc_deviation:.3f})"
    if result.accuracy is None:
        return text
    return f"{text} {result.accuracy:.3f} ({result.accuracy_deviation:.3f})"


def _newest(run: Path, node: str, key: str) -> Path:
    found = [path for path in (run / "artifacts" / node / key).glob("*") if path.name.isdigit()]
    if not found:
        raise InputError(
            f"--run '{run}': no {key} of {node} in it; give the output folder of a local run that "
            f"has reached {node} (local_runner.py --output FOLDER --to-node {node})"
        )
    return max(found, key=lambda path: int(path.name))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.local.probe",
        description="Linear probes of a run's encoder and of the same network untrained.",
        allow_abbrev=False,
    )
    parser.add_argument("--run", required=True, help="output folder of a local run")
    parser.add_argument("--stage", choices=sorted(_NODES), default="pretrain")
    parser.add_argument(
        "--fractions",
        type=number(
            float,
            lambda value: 0 < value <= 1,
            "a fraction above 0 and at most 1,",
        ),
        nargs="+",
        default=[0.01, 0.1, 1.0],
        help="fractions of the training patients (default: 0.01 0.1 1)",
    )
    parser.add_argument(
        "--draws", type=count, default=5, help="draws of each fraction (default: 5)"
    )
    parser.add_argument("--json", default="", help="file to write the results to")
    return parser


if __name__ == "__main__":
    sys.exit(main())
