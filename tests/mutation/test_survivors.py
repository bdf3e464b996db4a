"""The file of survivors, read back as it was written."""

import pytest

from tests.mutation import survivors
from tests.mutation.survivors import Module, Survivor

CHANGE = "return a | b → return a & b"


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setattr(survivors, "FILE", tmp_path / "survivors.md")
    return survivors.FILE


def test_counts_and_survivors_are_read_back(file):
    found = {"a/b.py": Module(30, 25, (Survivor("f", CHANGE, "both are flags | never set"),))}
    survivors.write(found, {"one": {"a/b.py"}})
    assert survivors.read() == found
    more = {"a/c.py": Module(4, 4, ())}
    survivors.write(more, {"one": {"a/b.py"}, "two": {"a/c.py"}})
    assert survivors.read() == found | more
    for line in ("one | 30 | 25 | 24 | 1 | 96", "two | 4 | 4 | 4 | 0 | 100"):
        assert f"| {line} |\n" in file.read_text()
    assert "| Together | 34 | 29 | 28 | 1 | 97 |\n" in file.read_text()
    survivors.write(more, {"two": {"a/c.py"}, "three": {"a/d.py"}})
    assert survivors.read() == more


def test_a_reason_stays_while_function_and_change_do(file):
    area = {"one": {"a.py"}}
    survivors.write({"a.py": Module(9, 9, (Survivor("f", CHANGE), Survivor("g", CHANGE)))}, area)
    text = file.read_text()
    row = next(line for line in text.splitlines() if line.startswith("| `g`"))
    file.write_text(text.replace(row, row[:-2] + "equivalent |"))
    survivors.write({"a.py": Module(9, 9, (Survivor("g", CHANGE), Survivor("h", CHANGE)))}, area)
    assert survivors.read()["a.py"].survivors == (
        Survivor("g", CHANGE, "equivalent"),
        Survivor("h", CHANGE),
    )


def test_every_survivor_has_its_reason():
    without = {
        source: [one.change for one in module.survivors if not one.reason]
        for source, module in survivors.read().items()
    }
    assert {source: changes for source, changes in without.items() if changes} == {}
