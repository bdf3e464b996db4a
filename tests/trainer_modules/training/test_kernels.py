"""oneDNN is asked for, unless it was refused, and early enough."""

import os
import subprocess
import sys

import pytest

from trainer_modules.training import kernels


@pytest.mark.parametrize(("given", "asked"), [(None, "1"), ("0", "0")])
def test_onednn_is_asked_for_unless_it_was_refused(monkeypatch, given, asked):
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS")
    if given is not None:
        monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", given)
    kernels.prefer_onednn()
    assert os.environ["TF_ENABLE_ONEDNN_OPTS"] == asked


def test_the_runners_ask_before_tensorflow_is_imported():
    code = (
        "import sys, pipeline.local.run, pipeline.kubeflow.runtime.entrypoint\n"
        "sys.exit('tensorflow' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
