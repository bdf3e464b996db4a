"""What a message says everywhere, and what only the user's terminal shows."""

import pickle

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
