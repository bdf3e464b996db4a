"""A disk that is full at any step of a run: one line with the place, status 2, no half results."""

import contextlib
import errno
import json
import os

import pytest

import local_runner
from pipeline.local import console, run
from pipeline.local.run_folder import RunFolder

pytestmark = pytest.mark.slow


def full(*arguments, **more):
    raise OSError(errno.ENOSPC, "No space left on device")


def failing_node(*arguments, **more):
    """As TFX passes on what its executor raises."""
    try:
        full()
    except OSError as error:
        raise RuntimeError("the node failed") from error


@contextlib.contextmanager
def no_report(folder):
    (folder.root / ".report.part").mkdir()
    full()
    yield


@pytest.fixture
def started(tmp_path, capfd):
    """Runs the command; gives its status and what is on standard output and error."""

    def start():
        status = local_runner.main(["--preset", "demo", "--output", str(tmp_path / "run")])
        said = capfd.readouterr()
        return status, said.out, said.err

    return start


def test_in_a_node(monkeypatch, started, tmp_path):
    monkeypatch.setattr(run, "_execute", failing_node)
    status, out, err = started()
    assert (status, err) == (2, "")
    line = f"no space left: [Errno 28] No space left on device (in '{tmp_path}/run')"
    assert sum(line in one for one in out.splitlines()) == 1
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["verdict"] == "failed"
    assert line in summary["reasons"][0]


def test_in_a_node_and_for_the_report(monkeypatch, started, tmp_path):
    monkeypatch.setattr(run, "_execute", failing_node)
    monkeypatch.setattr(RunFolder, "writing_report", no_report)
    status, _, err = started()
    assert status == 2
    assert err.count("\n") == 1
    assert f"no space left: [Errno 28] No space left on device (in '{tmp_path}/run')" in err
    assert not (tmp_path / "run" / "summary.json").exists()
    assert not (tmp_path / "run" / "report").exists()
    # With space again, the same command goes on.
    monkeypatch.undo()
    monkeypatch.setattr(run, "_execute", lambda *arguments: None)
    started()
    assert (tmp_path / "run" / "report" / "index.html").exists()
    assert not (tmp_path / "run" / ".report.part").exists()


def test_before_the_first_node(monkeypatch, started, tmp_path):
    monkeypatch.setattr(RunFolder, "write_config", full)
    status, _, err = started()
    assert status == 2
    assert err.count("\n") == 1
    assert "no space left" in err
    assert f"'{tmp_path}/run'" in err


def test_for_the_log_alone(monkeypatch, tmp_path):
    """A line that finds no space is lost, and the run goes on."""
    with console.captured_output(tmp_path / "run.log"):
        print("kept", flush=True)
        monkeypatch.setattr(console.os, "write", full)
        print("lost", flush=True)
        monkeypatch.undo()
        print("kept again", flush=True)
    assert (tmp_path / "run.log").read_text() == "kept\nkept again\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write everywhere")
def test_permissions_lost_during_the_run(monkeypatch, started, tmp_path):
    monkeypatch.setattr(run, "_execute", lambda *a: os.chmod(tmp_path / "run", 0o500))
    status, _, err = started()
    os.chmod(tmp_path / "run", 0o700)
    assert status == 2
    assert err.count("\n") == 1
    assert "no permission" in err
    assert str(tmp_path / "run") in err
