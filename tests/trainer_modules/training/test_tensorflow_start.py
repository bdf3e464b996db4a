"""oneDNN is asked for early enough; start-up notes show only where TensorFlow does not start."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from trainer_modules.training.tensorflow_start import prefer_onednn

ROOT = Path(__file__).resolve().parents[3]
CODE = (
    "from trainer_modules.training.tensorflow_start import import_tensorflow; import_tensorflow()"
)


def _run(code: str, *path: Path) -> subprocess.CompletedProcess:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("TF_")},
        "PYTHONPATH": os.pathsep.join(map(str, (*path, ROOT))),
        "TF_ENABLE_ONEDNN_OPTS": "1",
    }
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_only_what_comes_afterwards_shows():
    after = "import sys, tensorflow as tf; tf.constant(1) + 1; print('own', file=sys.stderr)"
    done = _run(f"{CODE}; {after}")
    assert (done.returncode, done.stderr) == (0, "own\n")
    assert "oneDNN" in _run("import tensorflow").stderr, "there was nothing to hide"


def test_notes_of_a_failed_import_show(tmp_path):
    (tmp_path / "tensorflow.py").write_text(
        "import os; os.write(2, b'no such library\\n'); raise ImportError('broken')"
    )
    done = _run(CODE, tmp_path)
    assert done.returncode == 1
    assert "no such library" in done.stderr
    assert "ImportError: broken" in done.stderr


@pytest.mark.parametrize(("given", "asked"), [(None, "1"), ("0", "0")])
def test_onednn_is_asked_for_unless_it_was_refused(monkeypatch, given, asked):
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS")
    if given is not None:
        monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", given)
    prefer_onednn()
    assert os.environ["TF_ENABLE_ONEDNN_OPTS"] == asked


def test_the_runners_ask_before_tensorflow_is_imported():
    code = (
        "import sys, pipeline.local.run, pipeline.kubeflow.runtime.entrypoint\n"
        "sys.exit('tensorflow' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
