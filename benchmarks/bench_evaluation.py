"""Cost of judging 10,000 images beyond the forward pass: TFMA's Evaluator, and the gate.

    .venv/bin/python benchmarks/bench_evaluation.py [--images 10000] [--findings 5]
    .venv/bin/python benchmarks/bench_evaluation.py --part table --images 1000000

Predictions are SYNTHETIC: two images per patient, half of them shifted, with sites and two subgroup
columns. The gate compares with a baseline and draws 2,000 resamples. Not included are the start of
the process, the forward pass, and the serving check, which is a forward pass, too.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))
SUBGROUPS = ("sex", "age")


def columns(domain: str, images: int, findings: tuple[str, ...]) -> dict[str, Any]:
    """Predictions of one domain as the Predictor passes them to its writer."""
    import numpy as np

    random = np.random.default_rng(images + len(domain))
    patient = np.arange(images) // 2
    text = {
        "image/id": [f"{domain}{index}" for index in range(images)],
        "patient_id": [f"{domain}{one}" for one in patient],
        "site": [f"{domain} {one % 3}" for one in patient],
        "domain": [domain] * images,
        "subgroup/sex": ["FM"[one % 2] for one in patient],
        "subgroup/age": [f"{one % 4 * 20}+" for one in patient],
    }
    made: dict[str, Any] = {name: np.array(values, object) for name, values in text.items()}
    for finding in findings:
        weight = (random.random(images) < 0.9).astype(np.float32)
        label = (random.random(images) < 0.25).astype(np.float32) * weight
        score = 1 / (1 + np.exp(-(2 * label - 1 + random.normal(size=images))))
        made[f"label/{finding}"] = label
        made[f"label/{finding}/weight"] = weight
        made[f"prediction/{finding}"] = score.astype(np.float32)
        made[f"decision/{finding}"] = (score >= 0.5).astype(np.float32)
    return made


def write_predictions(folder: Path, images: int, findings: tuple[str, ...]) -> None:
    """Writes the Predictor's output."""
    from components.predictor.predictions_writer import PredictionsWriter

    with PredictionsWriter(str(folder), findings, SUBGROUPS) as writer:
        writer.write_split("test", [columns("in_distribution", images // 2, findings)])
        writer.write_split("shifted", [columns("shifted", images - images // 2, findings)])


def evaluator(folder: Path, predictions: Path, task: Any) -> Callable[[], None]:
    """The Evaluator's executor, imported and wired as in the pipeline."""
    import json

    import tensorflow_model_analysis  # noqa: F401
    from tfx import v1 as tfx
    from tfx.components.util import examples_utils
    from tfx.dsl.components.base import base_beam_executor
    from tfx.proto import example_gen_pb2
    from tfx.types import artifact_utils
    from tfx.utils import proto_utils

    from components.evaluator import executor, metrics  # noqa: F401
    from pipeline.config.evaluation_settings import EvaluationSettings
    from pipeline.graph.tfma_config import EVALUATED_SPLITS, evaluation_config

    artifacts = tfx.types.standard_artifacts
    examples, model = artifacts.Examples(), artifacts.Model()
    examples.uri, model.uri = str(predictions), str(folder / "model")
    examples.split_names = artifact_utils.encode_split_names(list(EVALUATED_SPLITS))
    examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)
    evaluation, blessing = artifacts.ModelEvaluation(), artifacts.ModelBlessing()
    evaluation.uri, blessing.uri = str(folder / "evaluation"), str(folder / "blessing")
    context = base_beam_executor.BaseBeamExecutor.Context(
        beam_pipeline_args=["--runner=FnApiRunner"], tmp_dir=str(folder / "tmp"), unique_id="1"
    )
    config = evaluation_config(task, SUBGROUPS, EvaluationSettings())
    properties = {
        "eval_config": proto_utils.proto_to_json(config),
        "example_splits": json.dumps(list(EVALUATED_SPLITS)),
        "fairness_indicator_thresholds": "null",
    }
    made = {"evaluation": [evaluation], "blessing": [blessing]}
    given = {"examples": [examples], "model": [model]}
    return lambda: executor.Executor(context).Do(given, made, properties)


def judge(predictions: Path, task: Any) -> None:
    """The gate's statistics and rules, against a baseline that scores a little worse."""
    from components.model_gate.policy.settings import GateSettings, SubgroupRules
    from components.model_gate.rules import domain_rules, evidence
    from components.model_gate.serving import inputs

    settings = GateSettings(resamples=2000, subgroups=SubgroupRules(max_regression=0.1))
    table = inputs.judged_predictions(str(predictions))
    other = table.copy()
    for name in other.columns:
        if name.startswith("prediction/"):
            other[name] = 0.8 * other[name] + 0.2 * other[name].sample(frac=1).to_numpy()
    found = evidence.collect(
        table,
        task,
        SUBGROUPS,
        settings,
        baseline=evidence.Baseline("1"),
        baseline_table=other,
        evaluator_blessed=True,
    )
    domain_rules.judge(found, settings)


def judge_table(folder: Path, images: int) -> None:
    """The stand-alone gate's process on CSV and Parquet, beside pandas, which only reads them."""
    import resource
    import subprocess

    import numpy as np
    import pandas as pd

    random = np.random.default_rng(1)
    patient = np.sort(random.integers(max(1, images // 4), size=images))
    label = (random.random(patient.max() + 1) < 0.2)[patient]
    score = 1 / (1 + np.exp(2 - 2 * label - random.normal(size=images)))
    table = pd.DataFrame(
        {
            "patient_id": np.char.add("p", patient.astype(str)),
            "domain": np.where(patient % 2, "shifted", "in_distribution"),
            "label": label.astype(int),
            "score": score.round(6),
            "site": np.char.add("site ", (patient % 6).astype(str)),
            "sex": np.where(patient // 2 % 2, "F", "M"),
            "age": np.char.add((patient // 4 % 4 * 20).astype(str), "+"),
            "scanner": np.char.add("type ", (patient // 16 % 5).astype(str)),
        }
    )
    for kind in ("csv", "parquet"):
        path = folder / f"table.{kind}"
        (table.to_csv if kind == "csv" else table.to_parquet)(path, index=False)
        reading = f"import pandas; pandas.read_{kind}({str(path)!r})"
        for name, command in (
            (f"pandas reads {kind}", ["-c", reading]),
            (f"gate, {kind}", ["-m", "components.model_gate", "--predictions", str(path)]),
        ):
            before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            subprocess.run(
                [sys.executable, *command], cwd=REPOSITORY, capture_output=True, check=False
            )
            spent, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - wall
            processor = spent.ru_utime + spent.ru_stime - before.ru_utime - before.ru_stime
            print(
                f"{name:<22} {wall:7.1f} s elapsed {processor:7.1f} s CPU, largest process so far "
                f"{spent.ru_maxrss / 1024:.0f} MiB",
                flush=True,
            )


def timed(name: str, work: Callable[[], None]) -> tuple[float, float]:
    """Runs it; prints and returns elapsed seconds and CPU seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    spent = time.perf_counter() - wall, time.process_time() - processor
    print(f"{name:<22} {spent[0]:7.1f} s elapsed {spent[1]:7.1f} s CPU", flush=True)
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--findings", type=int, default=5)
    parser.add_argument("--part", choices=("both", "evaluator", "gate", "table"), default="both")
    arguments = parser.parse_args()
    if arguments.part == "table":
        with tempfile.TemporaryDirectory() as folder:
            judge_table(Path(folder), arguments.images)
        return
    from importlib.metadata import version

    from trainer_modules.settings import TaskSettings
    from trainer_modules.training.tensorflow_start import import_tensorflow

    import_tensorflow()
    findings = tuple(f"finding {index}" for index in range(arguments.findings))
    task = TaskSettings(kind="multilabel", labels=findings)
    print(
        f"{arguments.images} images, {len(findings)} findings; {os.cpu_count()} cores, "
        f"{platform.machine()}, Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in ("tensorflow-model-analysis", "numpy"))
    )
    total = 0.0
    with tempfile.TemporaryDirectory() as folder:
        predictions = Path(folder, "predictions")
        write_predictions(predictions, arguments.images, findings)
        if arguments.part != "gate":
            total += timed("Evaluator (TFMA)", evaluator(Path(folder), predictions, task))[0]
        if arguments.part != "evaluator":
            from components.model_gate.rules import domain_rules, evidence  # noqa: F401
            from components.model_gate.serving import inputs  # noqa: F401

            total += timed("gate, 2,000 resamples", lambda: judge(predictions, task))[0]
    print(f"{'total':<22} {total:7.1f} s elapsed")


if __name__ == "__main__":
    main()
