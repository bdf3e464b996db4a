"""A lock between processes: who has it, waiting for it, and its end."""

import json
import multiprocessing
import os
import socket
import time

import pytest

from schemas import file_lock
from schemas.errors import InputError

CONTEXT = multiprocessing.get_context("fork")


def other(path, pipe):
    with file_lock.held(path, "--output 'x'"):
        pipe.send("held")
        pipe.poll(60)  # until something comes, or the other end is closed


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock until the pipe tells it not to."""
    ours, theirs = CONTEXT.Pipe()
    process = CONTEXT.Process(target=other, args=(tmp_path / "lock", theirs))
    process.start()
    assert ours.recv() == "held"
    yield process, ours
    if process.is_alive():
        ours.send("release")
    process.join()


def test_who_holds_it_is_named(tmp_path, holder):
    process, _ = holder
    said = rf"--output 'x' is in use .*process {process.pid} on {socket.gethostname()}, since 2"
    with pytest.raises(InputError, match=said), file_lock.held(tmp_path / "lock", "--output 'x'"):
        pytest.fail("two have it")
    with pytest.raises(InputError, match=said):
        file_lock.check_free(tmp_path / "lock", "--output 'x'")
    # The one that was refused has not overwritten the name of the one that has it.
    assert json.loads((tmp_path / "lock").read_text())["pid"] == process.pid


def test_waiting_until_it_is_free(tmp_path, holder):
    _, pipe = holder
    pipe.send("release")
    with file_lock.held(tmp_path / "lock", "it", wait=60):
        assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()


def test_waiting_ends(tmp_path, holder):
    start = time.monotonic()
    with (
        pytest.raises(InputError, match="in use"),
        file_lock.held(tmp_path / "lock", "it", wait=0.3),
    ):
        pytest.fail("two have it")
    assert 0.3 <= time.monotonic() - start < 30


def test_the_lock_of_a_killed_process_is_free(tmp_path, holder):
    process, _ = holder
    process.kill()
    process.join()
    file_lock.check_free(tmp_path / "lock", "it")
    with file_lock.held(tmp_path / "lock", "it"):
        pass


def test_it_is_released_although_a_forked_process_has_the_descriptor(tmp_path):
    with file_lock.held(tmp_path / "lock", "it"):
        ours, theirs = CONTEXT.Pipe()
        child = CONTEXT.Process(target=theirs.poll, args=(60,))
        child.start()
    try:
        file_lock.check_free(tmp_path / "lock", "it")
    finally:
        ours.send("end")
        child.join()


@pytest.mark.parametrize("note", [b"", b"[]", b'{"pid": 1}', b"\xff", b'{"pid":' + b"9" * 10_000])
def test_a_note_that_is_damaged(tmp_path, holder, note):
    (tmp_path / "lock").write_bytes(note)
    with pytest.raises(InputError, match=r"in use by another run \(it left no name\)"):
        file_lock.check_free(tmp_path / "lock", "it")


def test_a_place_without_locks(tmp_path):
    with (
        pytest.raises(InputError, match=r"it: '.*none/lock' can't be locked"),
        file_lock.held(tmp_path / "none" / "lock", "it"),
    ):
        pytest.fail("locked nothing")
    file_lock.check_free(tmp_path / "none" / "lock", "it")
