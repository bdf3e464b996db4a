"""The command line of the gate, as a shell sees it."""

import os
import subprocess
import sys


def test_a_reader_that_has_gone_is_no_bug():
    read, write = os.pipe()
    os.close(read)
    ended = subprocess.run(
        [sys.executable, "-m", "components.model_gate", "--policies"],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)
    assert "Traceback" not in ended.stderr
    assert "BrokenPipeError" not in ended.stderr
    assert ended.returncode == 141
