import pytest

from components.image_example_gen.tables.annotations import Annotations
from components.image_example_gen.tables.reader import Table
from schemas.errors import InputError
from trainer_modules.settings import TaskSettings

KEYS = ("path", "UID")


def _annotations(folder, text):
    (folder / "labels.csv").write_text(text)
    return Annotations(
        Table(str(folder), "labels.csv"), KEYS, TaskSettings(labels=("ill",)), {}, {}
    )


def test_values_by_key(tmp_path):
    found = _annotations(tmp_path, "UID,ill,site,split\nb,1,north,train\na,,,\n")
    assert found.key == "UID"
    assert found.get("b") == ((1.0,), "north", "", "train")
    assert found.get("a") == ((None,), "", "", "")
    assert found.get("c") is None
    assert found.get("") is None


@pytest.mark.parametrize("written", ["a/b.dcm", "./a/b.dcm", "a\\b.dcm", "a//b.dcm"])
def test_paths_are_the_same_however_they_are_written(tmp_path, written):
    assert _annotations(tmp_path, f"path,ill\n{written},1\n").get("a/b.dcm")


def test_unmatched_rows_and_files_are_counted_and_refused(tmp_path):
    lines = [f"{number},1" for number in range(10)]
    # A row that says the same again is no row more.
    found = _annotations(tmp_path, "\n".join(["UID,ill", *lines, "9,1"]) + "\n")
    for number in range(7):
        found.get(str(number))
    assert found.unmatched() == 3
    found.refuse_unmatched(7, 0, 0.3)
    with pytest.raises(
        InputError,
        match=r"labels.csv: 3 of 10 rows have the UID of no file below data.root \(row 8, 9, 10\); "
        r"data.max_unmatched_fraction accepts 29%",
    ):
        found.refuse_unmatched(7, 0, 0.29)
    with pytest.raises(InputError, match="4 of 10 files below data"):
        found.refuse_unmatched(10, 4, 0.3)


def test_many_unmatched_rows_are_not_all_listed(tmp_path):
    lines = [f"{number},1" for number in range(40)]
    found = _annotations(tmp_path, "\n".join(["UID,ill", *lines]) + "\n")
    with pytest.raises(InputError, match=r"row 1, 2, 3, 4, 5, \.\.\.\)"):
        found.refuse_unmatched(1, 0, 0.5)
