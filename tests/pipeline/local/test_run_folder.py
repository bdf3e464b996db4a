"""A run's folder once it is opened: marker, lock, kept results, reports that appear at once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.local.run_folder import RunFolder
from schemas.documents.run import RunMarker
from schemas.errors import InputError
from tests.pipeline.local.snapshot import snapshot

ROOT = Path(__file__).resolve().parents[3]


def ended(folder, text):
    """What a run leaves at its end."""
    folder.write_config(f"seed: {text}\n")
    with folder.writing_report() as place:
        place.mkdir()
        (place / "index.html").write_text(text)
    folder.summary.write_text(text)


def half_a_report(folder):
    """Fails after the first file, as on a full disk."""
    with folder.writing_report() as place:
        place.mkdir()
        (place / "index.html").write_text("half")
        (place / "none" / "shift.json").write_text("no folder")


def test_the_marker_comes_first_and_stays(tmp_path):
    folder = RunFolder(str(tmp_path / "a" / "run"))
    assert not (tmp_path / "a").exists()
    with folder.opened("demo"):
        assert {path.name for path in folder.root.iterdir()} == {".lock", ".remedis-run"}
    first = RunMarker.read(folder.root)
    assert (first.pipeline, first.adopted) == ("demo", False)
    with RunFolder(str(folder.root)).opened("other"):
        assert RunMarker.read(folder.root) == first


def test_a_folder_of_an_earlier_version_is_marked_as_one(tmp_path):
    (tmp_path / "config.yaml").write_text("name: demo\ntask: {}\ndata: {}\n")
    (tmp_path / "metadata.sqlite").write_bytes(b"SQLite format 3\0")
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "index.html").write_text("theirs")
    folder = RunFolder(str(tmp_path))
    assert folder.adopts
    with folder.opened("demo"):
        assert RunMarker.read(tmp_path).adopted
    assert not RunFolder(str(tmp_path)).adopts
    assert (tmp_path / "earlier/1/report/index.html").read_text() == "theirs"


def test_results_of_earlier_runs_are_kept_and_never_renumbered(tmp_path):
    for number in range(12):
        folder = RunFolder(str(tmp_path / "run"))
        with folder.opened("demo"):
            assert not folder.report.exists()
            ended(folder, str(number))
            # What a user puts there is as safe as the rest.
            (folder.report / "notes.txt").write_text(f"on {number}")
    assert (folder.report / "index.html").read_text() == "11"
    for number in range(11):
        kept = tmp_path / "run" / "earlier" / str(number + 1)
        assert (kept / "report/index.html").read_text() == str(number)
        assert (kept / "report/notes.txt").read_text() == f"on {number}"
        assert (kept / "summary.json").read_text() == str(number)
        assert (kept / "config.yaml").read_text() == f"seed: {number}\n"
    assert len(list((tmp_path / "run" / "earlier").iterdir())) == 11


def test_a_number_is_not_given_twice(tmp_path):
    folder = RunFolder(str(tmp_path))
    with folder.opened("demo"):
        ended(folder, "a")
    (tmp_path / "earlier" / "7").mkdir(parents=True)
    (tmp_path / "earlier" / "notes").mkdir()
    with RunFolder(str(tmp_path)).opened("demo"):
        assert {path.name for path in (tmp_path / "earlier").iterdir()} == {"7", "8", "notes"}


def test_a_study_keeps_its_own_and_leaves_the_runs(tmp_path):
    release = RunFolder(str(tmp_path))
    with release.opened("demo"):
        ended(release, "release")
    before = snapshot(release.report)
    for number in range(2):
        study = RunFolder(str(tmp_path), "label_efficiency")
        with study.opened("demo"):
            ended(study, f"study {number}")
    assert snapshot(release.report) == before
    assert release.summary.read_text() == "release"
    assert (tmp_path / "label_efficiency/earlier/1/summary.json").read_text() == "study 0"
    assert not (tmp_path / "earlier").exists()


def test_a_run_that_was_killed_has_no_results_of_another(tmp_path):
    folder = RunFolder(str(tmp_path))
    with folder.opened("demo"):
        ended(folder, "whole")
    killed = RunFolder(str(tmp_path))
    with killed.opened("demo"):
        killed.write_config("seed: 2\n")
    assert not killed.report.exists()
    assert not killed.summary.exists()
    with RunFolder(str(tmp_path)).opened("demo"):
        pass
    # It had nothing to keep.
    assert [path.name for path in (tmp_path / "earlier").iterdir()] == ["1"]


def test_a_report_appears_whole_or_not_at_all(tmp_path):
    folder = RunFolder(str(tmp_path))
    with folder.opened("demo"):
        with pytest.raises(FileNotFoundError):
            half_a_report(folder)
        assert not folder.report.exists()
        assert {path.name for path in tmp_path.iterdir()} == {".lock", ".remedis-run"}
        # A kill leaves the unfinished one; the next run removes it.
        (tmp_path / ".report.part").mkdir()
        (tmp_path / ".report.part" / "index.html").write_text("half")
    with RunFolder(str(tmp_path)).opened("demo"):
        ended(folder, "whole")
    assert not (tmp_path / ".report.part").exists()
    assert (folder.report / "index.html").read_text() == "whole"


@pytest.mark.slow
def test_two_runs_at_once(tmp_path):
    code = (
        "import sys; from pipeline.local.run_folder import RunFolder\n"
        "with RunFolder(sys.argv[1]).opened('demo'):\n"
        "    print('open', flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "run")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    with subprocess.Popen(command, **pipes) as first:
        assert first.stdout.readline() == "open\n"
        before = snapshot(tmp_path)
        with pytest.raises(InputError, match=rf"in use by another run \(process {first.pid} on "):
            RunFolder(str(tmp_path / "run"))
        assert snapshot(tmp_path) == before
        first.kill()
    # The lock of a killed process is free.
    with RunFolder(str(tmp_path / "run")).opened("demo"):
        note = json.loads((tmp_path / "run" / ".lock").read_text())
        assert note["pid"] == os.getpid()


def test_another_run_that_comes_first(tmp_path):
    """Between the checks and the opening, someone else filled the folder."""
    folder = RunFolder(str(tmp_path / "run"))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("three years")
    with pytest.raises(InputError, match="no run made it"), folder.opened("demo"):
        pytest.fail("opened")
    assert {path.name for path in (tmp_path / "run").iterdir()} == {".lock", "thesis.txt"}


def test_a_lock_that_is_a_link_is_not_followed(tmp_path):
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").symlink_to(tmp_path / "victim")
    folder = RunFolder(str(tmp_path / "run"))
    with pytest.raises(InputError, match="can't be locked"), folder.opened("demo"):
        pytest.fail("opened")
    assert (tmp_path / "victim").read_text() == "precious"
