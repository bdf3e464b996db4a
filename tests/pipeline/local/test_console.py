"""What reaches the terminal while standard output goes to the log."""

import io

from pipeline.local.console import RunConsole, _ProgressStream
from trainer_modules.training.progress import progress


def test_progress_reaches_the_terminal_and_other_lines_only_the_log(monkeypatch):
    terminal, log = io.StringIO(), io.StringIO()
    console = RunConsole(terminal)
    console.start("Pretrainer")
    monkeypatch.setattr("sys.stdout", _ProgressStream(log, console.progress))
    print("a note of a library")
    progress("epoch 1 of 2")
    assert terminal.getvalue() == "  Pretrainer: epoch 1 of 2\n"
    assert log.getvalue() == "a note of a library\n[progress] epoch 1 of 2\n"
