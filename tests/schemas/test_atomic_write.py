"""A file is there whole, or as it was before."""

import os
import stat

import pytest

from schemas.atomic_write import replacing


def test_nothing_is_seen_before_the_end(tmp_path):
    path = tmp_path / "file"
    with replacing(path) as partial:
        partial.write_text("half")
        assert not path.exists()
        assert list(tmp_path.glob("file*")) == []
        partial.write_text("whole")
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_the_older_file_alone(tmp_path):
    path = tmp_path / "file"
    path.write_text("older")

    def break_off():
        with replacing(path) as partial:
            partial.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    assert path.read_text() == "older"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    path = tmp_path / "file"
    with replacing(path) as one, replacing(path) as two:
        one.write_text("one")
        two.write_text("two")
    assert path.read_text() == "one"  # the outer block ends last


def test_the_file_has_the_permissions_of_any_new_file(tmp_path):
    before = os.umask(0o027)
    try:
        with replacing(tmp_path / "file") as partial:
            partial.write_text("x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640
