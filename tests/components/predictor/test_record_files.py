"""Which files are records."""

import pytest

from components.predictor import record_files
from schemas.errors import InputError


def test_record_files_of_missing_and_hidden(tmp_path):
    assert record_files.in_folder(str(tmp_path / "none")) == []
    for name in ("b.gz", "a.gz", ".hidden", "_temporary"):
        (tmp_path / name).touch()
    names = [path.rsplit("/", 1)[1] for path in record_files.in_folder(str(tmp_path))]
    assert names == ["a.gz", "b.gz"]


def test_files_that_match_patterns_are_listed_once_and_in_order(tmp_path):
    (tmp_path / "deep" / "folder.gz").mkdir(parents=True)
    for name in ("b.gz", "a.gz", "deep/c.gz", "c.txt"):
        (tmp_path / name).touch()
    found = record_files.matching([f"{tmp_path}/**/*.gz", f"{tmp_path}/a.gz"])
    assert found == [f"{tmp_path}/{name}" for name in ("a.gz", "b.gz", "deep/c.gz")]


def test_a_pattern_without_files_is_refused(tmp_path):
    (tmp_path / "a.gz").touch()
    with pytest.raises(InputError, match=r"--examples '.*none.gz' matches no file"):
        record_files.matching([f"{tmp_path}/a.gz", f"{tmp_path}/none.gz"])
