"""What a server finds where models are pushed: whole models only, whatever happened."""

import errno
import hashlib
import multiprocessing
import os
import signal
import sys
import time

import numpy as np
import pytest

from components.pusher import publish as module
from components.pusher.publish import holds_model, publish
from schemas.errors import InputError
from schemas.model_versions import versions

CONTEXT = multiprocessing.get_context("fork")


def make_model(folder, seed):
    """Files like those of a SavedModel, one of them of several blocks."""
    random = np.random.default_rng(seed)
    for name, size in (
        ("saved_model.pb", 3_000),
        ("variables/variables.index", 200),
        ("variables/variables.data-00000-of-00001", (5 << 20) + 17),
        ("assets.extra/card.json", 90),
        ("assets/empty.txt", 0),
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(random.bytes(size))
    return folder


def content(folder):
    """Every file, by the tools of the standard library alone."""
    return {
        os.path.relpath(os.path.join(place, name), folder): hashlib.md5(
            open(os.path.join(place, name), "rb").read()
        ).hexdigest()
        for place, _, names in os.walk(folder)
        for name in names
    }


@pytest.fixture
def model(tmp_path):
    return make_model(tmp_path / "model", 1)


def fine(folder):
    """Takes any copy."""


def test_a_copy_of_every_file_and_nothing_else(model, tmp_path):
    start = int(time.time())
    published = publish(model, tmp_path / "a" / "pushed", fine)
    assert published.copied
    assert published.folder == tmp_path / "a" / "pushed" / published.version
    assert start <= int(published.version) <= time.time()
    assert content(published.folder) == content(model)
    assert list(published.folder.parent.iterdir()) == [published.folder]
    assert holds_model(published.folder)


@pytest.mark.parametrize("highest", ["4102444800", "9999999999"])
def test_a_version_is_above_the_highest_whatever_the_clock_says(model, tmp_path, highest):
    # Not a whole model: what a push of an earlier version left when it was killed.
    (tmp_path / "pushed" / highest / "variables").mkdir(parents=True)
    published = publish(model, tmp_path / "pushed", fine)
    assert int(published.version) == int(highest) + 1
    again = publish(make_model(tmp_path / "other", 2), tmp_path / "pushed", fine)
    assert int(again.version) == int(highest) + 2
    assert (tmp_path / "pushed" / highest / "variables").is_dir()


def test_other_names_are_not_versions(model, tmp_path):
    for name in ("9" * 30, "²", "notes", "-5"):
        (tmp_path / "pushed" / name).mkdir(parents=True)
    published = publish(model, tmp_path / "pushed", fine)
    assert int(published.version) <= time.time()


def test_the_newest_version_is_not_pushed_twice(model, tmp_path):
    first = publish(model, tmp_path / "pushed", fine)
    same = publish(model, tmp_path / "pushed", fine)
    assert (same.version, same.copied) == (first.version, False)
    other = publish(make_model(tmp_path / "other", 2), tmp_path / "pushed", fine)
    back = publish(model, tmp_path / "pushed", fine)
    assert int(first.version) < int(other.version) < int(back.version)
    assert content(back.folder) == content(model)


@pytest.mark.parametrize("change", ["flip", "truncate", "delete", "add"])
def test_a_damaged_newest_version_is_pushed_again(model, tmp_path, change):
    first = publish(model, tmp_path / "pushed", fine)
    victim = first.folder / "variables" / "variables.index"
    data = bytearray(victim.read_bytes())
    if change == "flip":
        data[100] ^= 1
        victim.write_bytes(data)
    elif change == "truncate":
        victim.write_bytes(data[:-1])
    elif change == "delete":
        victim.unlink()
    else:
        (first.folder / "more").touch()
    again = publish(model, tmp_path / "pushed", fine)
    assert again.copied
    assert int(again.version) > int(first.version)
    assert content(again.folder) == content(model)


def test_a_copy_that_does_not_answer_is_never_seen(model, tmp_path):
    seen = []

    def check(folder):
        assert content(folder) == content(model)
        assert versions(tmp_path / "pushed") == []
        seen.append(folder)
        raise InputError("no answer")

    with pytest.raises(InputError, match="no answer"):
        publish(model, tmp_path / "pushed", check)
    assert len(seen) == 1
    assert list((tmp_path / "pushed").iterdir()) == []


def test_a_copy_that_differs_is_never_seen(model, tmp_path, monkeypatch):
    copy = module._copy

    def damaging(source, target):
        copy(source, target)
        (target / "saved_model.pb").write_bytes(b"damaged on its way")

    monkeypatch.setattr(module, "_copy", damaging)
    with pytest.raises(InputError, match="the copy differs"):
        publish(model, tmp_path / "pushed", fine)
    assert versions(tmp_path / "pushed") == []


def test_a_full_disk_names_the_place_and_leaves_nothing(model, tmp_path, monkeypatch):
    monkeypatch.setattr(module.os, "fsync", lambda descriptor: no_space())

    def no_space():
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left") as failure:
        publish(model, tmp_path / "pushed", fine)
    assert failure.value.filename == str(tmp_path / "pushed")
    assert list((tmp_path / "pushed").iterdir()) == []


def test_a_model_with_a_link_is_refused(model, tmp_path):
    (model / "assets" / "passwords").symlink_to("/etc/passwd")
    with pytest.raises(InputError, match="passwords' in a model is neither a file nor a folder"):
        publish(model, tmp_path / "pushed", fine)
    assert versions(tmp_path / "pushed") == []


def lines_of(model, destination):
    """Lines of our code that a push executes."""
    counted = []
    trace_lines(lambda: counted.append(1))
    try:
        publish(model, destination, fine)
    finally:
        sys.settrace(None)
    return len(counted)


def trace_lines(act):
    def trace(frame, event, argument):
        if not frame.f_code.co_filename.endswith(("pusher/publish.py", "file_lock.py")):
            return None
        if event == "line":
            act()
        return trace

    sys.settrace(trace)


def killed_at(model, destination, line):
    """Pushes in a process that kills itself, as the system would, at a line."""
    left = [line]

    def count():
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    trace_lines(count)
    publish(model, destination, fine)


POINTS = 24


@pytest.mark.slow
@pytest.mark.parametrize("point", range(POINTS))
def test_a_push_that_is_killed_leaves_no_half_model(point, model, tmp_path):
    destination = tmp_path / "pushed"
    earlier = publish(make_model(tmp_path / "earlier", 2), destination, fine)
    lines = lines_of(model, tmp_path / "measured")
    assert lines > 2 * POINTS
    line = 1 + point * (lines - 1) // (POINTS - 1)
    process = CONTEXT.Process(target=killed_at, args=(model, destination, line))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    found = versions(destination)
    whole = {earlier.version: content(earlier.folder)}
    for version in found:
        assert content(version.folder) == whole.get(version.version, content(model))
    # Everything that a server takes for a version is among them.
    assert {v.version for v in found} == {p.name for p in destination.iterdir() if p.name.isdigit()}
    again = publish(model, destination, fine)
    assert versions(destination)[0].version == again.version
    assert content(again.folder) == content(model)
    assert not list(destination.glob(".incoming-*"))


def push_slowly(source, destination, pipe):
    def check(folder):
        pipe.send("copied")
        pipe.poll(60)

    publish(source, destination, check)


def test_two_runs_that_share_a_destination_take_turns(model, tmp_path):
    destination = tmp_path / "pushed"
    ours, theirs = CONTEXT.Pipe()
    other = make_model(tmp_path / "other", 2)
    first = CONTEXT.Process(target=push_slowly, args=(other, destination, theirs))
    first.start()
    assert ours.recv() == "copied"
    second = CONTEXT.Process(target=publish, args=(model, destination, fine))
    second.start()
    second.join(0.5)
    assert second.is_alive()  # it waits
    assert len(list(destination.glob(".incoming-*"))) == 1  # and has not removed the other's copy
    ours.send("go on")
    first.join(60)
    second.join(60)
    assert (first.exitcode, second.exitcode) == (0, 0)
    newest, oldest = versions(destination)
    assert content(newest.folder) == content(model)
    assert content(oldest.folder) == content(other)


def test_a_destination_in_use_for_too_long(model, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_WAIT_SECONDS", 0.2)
    ours, theirs = CONTEXT.Pipe()
    other = make_model(tmp_path / "other", 2)
    first = CONTEXT.Process(target=push_slowly, args=(other, tmp_path / "pushed", theirs))
    first.start()
    assert ours.recv() == "copied"
    with pytest.raises(InputError, match=rf"in use by another run \(process {first.pid} "):
        publish(model, tmp_path / "pushed", fine)
    ours.send("go on")
    first.join(60)


def test_what_holds_no_model(model, tmp_path):
    published = publish(model, tmp_path / "pushed", fine)
    assert not holds_model(tmp_path / "nowhere" / "5")
    (published.folder / "saved_model.pb").unlink()
    assert not holds_model(published.folder)
