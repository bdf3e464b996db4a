"""What a message says everywhere, and what only the user's terminal shows."""

import errno
import pickle
import shutil

import pytest

from schemas.errors import InputError, mistake_behind


def test_local_details_are_on_the_terminal_alone():
    error = InputError("manifest.csv, line 3: no image", local="image 'Doe.png'")
    assert str(error) == "manifest.csv, line 3: no image"
    assert error.on_terminal() == "manifest.csv, line 3: no image (image 'Doe.png')"
    assert InputError("wrong").on_terminal() == "wrong"


def test_names_command_no_terminal():
    error = InputError("part '\x1b[31mx'\nis none", local="image 'a\n\x1b]0;b\udcff.png'")
    shown = error.on_terminal()
    assert shown == "part '\\x1b[31mx'\nis none (image 'a\\n\\x1b]0;b\\udcff.png')"


def test_local_details_outlive_other_processes_and_wrappers():
    error = pickle.loads(pickle.dumps(InputError("wrong", local="image 'a'")))
    assert (str(error), error.local) == ("wrong", "image 'a'")
    wrapped = RuntimeError("a node failed")
    wrapped.__cause__ = error
    assert mistake_behind(wrapped).local == "image 'a'"


def chained(error):
    """As TFX and Beam pass an exception on."""
    outer = RuntimeError("a node failed")
    outer.__context__ = error
    return outer


class InternalError(Exception):
    """As ML Metadata and TensorFlow raise what they do not name."""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "/runs/a/x.gz"),
            "device: '/runs/a/x.gz'",
        ),
        (OSError(errno.ENOSPC, "No space left on device"), "device (in '/runs/a')"),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "/runs/a"), "exceeded: '/runs/a'"),
        (OSError(errno.EFBIG, "File too large", "/runs/a"), "too large: '/runs/a'"),
        (InternalError("\n/runs/m; No space left on device\n[Op:Save]"), ": /runs/m; No space"),
        (InternalError("database or disk is full"), "disk is full (in '/runs/a')"),
        (OSError("Error writing bytes. Detail: No space left on device"), "(in '/runs/a')"),
        (shutil.Error([("a", "b", "[Errno 28] No space left on device: '/b'")]), "'/b'"),
    ],
)
def test_a_full_disk_is_no_bug(error, said):
    mistake = mistake_behind(chained(error), "/runs/a")
    assert str(mistake).startswith("no space left: ")
    assert said in str(mistake)
    assert "\n" not in str(mistake)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/runs/a/x"), "denied: '/runs/a/x'"),
        (OSError(errno.EROFS, "Read-only file system", "/runs/a/x"), "system: '/runs/a/x'"),
        (InternalError("attempt to write a readonly database"), "database (in '/runs/a')"),
        (InternalError("unable to open database file"), "file (in '/runs/a')"),
    ],
)
def test_lost_permissions_are_no_bug(error, said):
    mistake = mistake_behind(chained(error), "/runs/a")
    assert str(mistake).startswith("no permission: ")
    assert said in str(mistake)
    assert "\n" not in str(mistake)


@pytest.mark.parametrize("error", [KeyError("x"), OSError(errno.EIO, "Input/output error"), None])
def test_what_is_a_bug_stays_one(error):
    assert mistake_behind(error, "/runs/a") is None
