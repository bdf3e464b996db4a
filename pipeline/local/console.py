"""Output of a run: one line per node on the terminal, and everything else in the log."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.text import Text

from trainer_modules.training import progress

_MARKS = {"ran": ("ran", "green"), "cached": ("cached", "cyan"), "failed": ("failed", "red")}


class RunConsole:
    """Lines on standard output: with a spinner on a terminal, plain text elsewhere."""

    def __init__(self, stream: IO[str]) -> None:
        self._console = Console(file=stream, highlight=False, soft_wrap=True)
        self._status = self._console.status("")
        self._node = ""

    def line(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style=style))

    def start(self, activity: str) -> None:
        """Shows the current activity until `stop` or the next call."""
        self._node = activity
        if self._console.is_terminal:
            self._status.update(Text(activity, style="bold"))
            self._status.start()

    def progress(self, text: str) -> None:
        """Shows a progress line of the current node."""
        if self._console.is_terminal:
            self._status.update(Text(f"{self._node}  {text}", style="bold"))
        else:
            self.line(f"  {self._node}: {text}")

    def stop(self) -> None:
        self._status.stop()

    def node(self, name: str, state: str, seconds: float, summary: str) -> None:
        """Prints the line of a node that has ended."""
        self.stop()
        mark, style = _MARKS[state]
        text = Text(f"{name:<18} ")
        text.append(f"{mark:<7}", style=style)
        text.append(f"{seconds:6.1f} s  ")
        text.append(summary)
        self._console.print(text)


class _Log(io.TextIOBase):
    """The log file. A line that finds no space is lost, without an error.

    An error would come from wherever a library happens to print, and again from reporting it.
    What a run has to write itself fails on its own.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            os.write(self._descriptor, text.encode(errors="replace"))
        return len(text)

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()


class _ProgressStream(io.TextIOBase):
    """Replaces `sys.stdout`: writes everything to the log, progress lines to the terminal too."""

    def __init__(self, log: IO[str] | _Log, show: Callable[[str], None]) -> None:
        self._log = log
        self._show = show
        self._pending = ""

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._log.fileno()

    def write(self, text: str) -> int:
        self._log.write(text)
        *lines, self._pending = (self._pending + text).split("\n")
        for line in lines:
            if line.startswith(progress.PREFIX):
                self._show(line.removeprefix(progress.PREFIX))
        return len(text)

    def flush(self) -> None:
        self._log.flush()


@contextlib.contextmanager
def captured_output(log_path: Path) -> Iterator[RunConsole]:
    """Redirects both standard streams of this process and its children to a log file.

    Redirects the file descriptors, because TensorFlow's and Beam's C++ parts write to them
    directly.

    Yields:
      A console on the terminal that standard output was connected to.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    kept_fds = os.dup(1), os.dup(2)
    kept_streams = sys.stdout, sys.stderr
    terminal = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="replace", buffering=1)
    with terminal, _Log(log_path) as log:
        console = RunConsole(terminal)
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        sys.stdout, sys.stderr = _ProgressStream(log, console.progress), log
        try:
            yield console
        finally:
            console.stop()
            sys.stdout, sys.stderr = kept_streams
            for kept, number in zip(kept_fds, (1, 2), strict=True):
                os.dup2(kept, number)
                os.close(kept)
