"""A step imports what it needs: not TFMA, TFDV and Keras, each with what they bring."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
EVALUATION = "tensorflow_model_analysis.evaluators"
STATISTICS = "tensorflow_data_validation"
KERAS = "keras.src"
PROBE = f"""
import json, sys
from pipeline.kubeflow.runtime import imports
imports.defer_packages()
from tfx.utils import import_utils
kind = import_utils.import_class_by_path(sys.argv[1])
imports.spare_evaluator()
from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor as core
loaded = [name for name in ({EVALUATION!r}, {STATISTICS!r}, {KERAS!r}) if name in sys.modules]
is_evaluator = issubclass(kind, core.evaluator_executor.Executor)
import keras, tensorflow as tf
assert tf.keras.Model is keras.Model, "what was deferred is there when somebody asks"
import tensorflow_model_analysis as tfma
config = type(tfma.EvalConfig()).__name__ if is_evaluator else ""
print(json.dumps([loaded, is_evaluator, config]))
"""


def _probe(executor):
    # tensorflow_transform sets it in whoever imports it: this session may have; a step has not.
    environment = {k: v for k, v in os.environ.items() if k != "TF_USE_LEGACY_KERAS"}
    done = subprocess.run(
        [sys.executable, "-c", PROBE, executor],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("executor", "expected"),
    [
        ("tfx.components.pusher.executor.Executor", []),
        ("components.reporter.executor.Executor", []),
        ("tfx.components.trainer.executor.GenericExecutor", [STATISTICS]),
    ],
)
def test_step_that_evaluates_nothing_leaves_tfma_out(executor, expected):
    assert _probe(executor) == [expected, False, ""]


@pytest.mark.slow
def test_evaluator_is_still_known_for_one_and_has_all_of_tfma():
    _, is_evaluator, config = _probe("components.evaluator.executor.Executor")
    assert is_evaluator
    assert config == "EvalConfig"
