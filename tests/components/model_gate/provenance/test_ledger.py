"""The ledger of looks: who is counted as what, and what a damaged or hostile file does."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from components.model_gate.policy.settings import GateSettings
from components.model_gate.provenance import digests, ledger
from schemas import locked_lines
from schemas.documents.provenance import Digests
from schemas.errors import InputError

ROOT = Path(__file__).resolve().parents[4]
POLICY = GateSettings()


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def of(scores: str, *, test_set="t", model=None, settings=POLICY) -> Digests:
    return Digests(
        predictions=sha(scores + "table"),
        test_set=sha(test_set),
        scores=sha(scores),
        model=sha(model) if model else None,
        policy=digests.policy(settings),
    )


@pytest.fixture
def path(tmp_path) -> str:
    return str(tmp_path / "gate_ledger.jsonl")


def lines(path: str) -> list[dict]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def test_different_models_are_looks_one_two_three(path):
    found = [ledger.counted(path, of(name), POLICY) for name in "abc"]
    assert [one.look for one in found] == [1, 2, 3]
    assert [one.alpha for one in found] == pytest.approx([0.05, 0.025, 0.05 / 3])
    assert [one["look"] for one in lines(path)] == [1, 2, 3]


def test_same_model_is_the_same_look_and_no_further_line(path):
    first = ledger.counted(path, of("a"), POLICY)
    ledger.counted(path, of("b"), POLICY)
    content = Path(path).read_bytes()
    assert ledger.counted(path, of("a"), POLICY) == first
    assert Path(path).read_bytes() == content


def test_same_files_are_the_same_model_though_scores_differ(path):
    """Another machine rounds otherwise."""
    ledger.counted(path, of("a", model="files"), POLICY)
    assert ledger.counted(path, of("a'", model="files"), POLICY).look == 1
    assert ledger.counted(path, of("a''", model="others"), POLICY).look == 2


def test_same_scores_are_the_same_model_though_it_was_exported_again(path):
    ledger.counted(path, of("a", model="files"), POLICY)
    assert ledger.counted(path, of("a", model="again"), POLICY).look == 1
    assert ledger.counted(path, of("a"), POLICY).look == 1


def test_test_sets_are_counted_apart(path):
    ledger.counted(path, of("a"), POLICY)
    assert ledger.counted(path, of("b", test_set="other"), POLICY).look == 1
    assert ledger.counted(path, of("b"), POLICY).look == 2


def test_another_policy_is_told_and_no_further_look(path):
    looser = GateSettings(max_gap=0.5)
    ledger.counted(path, of("a"), POLICY)
    found = ledger.counted(path, of("a", settings=looser), looser)
    assert found.look == 1
    assert found.message.endswith("; it was judged on it before under another policy")
    assert [one["look"] for one in lines(path)] == [1, 1]


def test_plan_refuses_the_look_after_the_last_and_does_not_count_it(path):
    plan = GateSettings(reuse={"rule": "planned", "looks": 2})
    found = [ledger.counted(path, of(name, settings=plan), plan) for name in "abcb"]
    assert [one.refused for one in found] == [False, False, True, False]
    assert [one.alpha for one in found[:2]] == pytest.approx([0.025, 0.025])
    assert len(lines(path)) == 2


def test_plan_after_an_unplanned_look_is_refused(path):
    plan = GateSettings(reuse={"rule": "planned", "looks": 5})
    ledger.counted(path, of("a"), POLICY)
    assert ledger.counted(path, of("b", settings=plan), plan).refused


def test_lines_hold_digests_and_numbers_only_and_form_a_chain(path):
    found = [ledger.counted(path, of(name), POLICY) for name in "ab"]
    raw = Path(path).read_bytes().splitlines()
    assert [one.entry for one in found] == [hashlib.sha256(line).hexdigest() for line in raw]
    assert [one["previous"] for one in lines(path)] == ["", hashlib.sha256(raw[0]).hexdigest()]
    assert set(lines(path)[0]) == {
        *("version", "test_set", "look", "model", "scores", "policy"),
        *("rule", "alpha", "at", "software", "previous"),
    }


def _changed(number: int, **fields):
    def damage(content: bytes) -> bytes:
        rows = content.splitlines()
        rows[number] = json.dumps(json.loads(rows[number]) | fields, sort_keys=True).encode()
        return b"\n".join(rows) + b"\n"

    return damage


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (lambda c: b"\n" + c, 1),
        (lambda c: c[:-1], 3),
        (lambda c: c[:-20], 3),
        (lambda c: c + b"x\n", 4),
        (lambda c: c + b"[" * 100_000 + b"\n", 4),
        (lambda c: c + b"\xff\xfe\x00\n", 4),
        (lambda c: c + b"null\n", 4),
        (lambda c: b"".join(c.splitlines(True)[1:]), 1),
        (lambda c: b"".join(c.splitlines(True)[::2]), 2),
        (lambda c: b"".join(c.splitlines(True)[::-1]), 1),
        (lambda c: c * 2, 4),
        (_changed(0, alpha=0.0001), 2),
        (_changed(2, look=2.5), 3),
        (_changed(2, look=9), 3),
        (_changed(2, look="3"), 3),
        (_changed(2, alpha=float("nan")), 3),
        (_changed(2, scores="\x1b[2Jblessed"), 3),
        (_changed(2, note="x"), 3),
        (_changed(2, version=2), 3),
    ],
)
def test_damaged_ledger_is_one_clear_line(path, damage, line):
    for name in "abc":
        ledger.counted(path, of(name), POLICY)
    damaged = damage(Path(path).read_bytes())
    Path(path).write_bytes(damaged)
    with pytest.raises(InputError, match=f"is damaged in line {line}: ") as error:
        ledger.counted(path, of("d"), POLICY)
    assert "\n" not in str(error.value)
    assert "\x1b" not in str(error.value)
    assert Path(path).read_bytes() == damaged


def test_what_is_no_file_is_refused_and_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for place, what in (
        (tmp_path, "can't be opened: Is a directory"),
        (tmp_path / "pipe", "is not a file"),
        (Path("/dev/null"), "is not a file"),
        (tmp_path / "none" / "ledger", "can't be opened: No such file or directory"),
    ):
        with pytest.raises(InputError, match=what):
            ledger.counted(str(place), of("a"), POLICY)


def test_large_file_is_not_read(path, monkeypatch):
    monkeypatch.setattr(locked_lines, "MOST_BYTES", 1 << 20)
    Path(path).write_bytes(b"{}\n" * (1 << 19))
    with pytest.raises(InputError, match="larger than 1 MB"):
        ledger.counted(path, of("a"), POLICY)


def test_ledger_that_stays_locked_is_told(path, monkeypatch):
    import fcntl

    monkeypatch.setattr(locked_lines, "_WAIT_SECONDS", 0.2)
    with Path(path).open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="is locked by another process"):
            ledger.counted(path, of("a"), POLICY)


def test_full_disk_leaves_the_ledger_as_it_was(path, monkeypatch):
    ledger.counted(path, of("a"), POLICY)
    before = Path(path).read_bytes()
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[:10]))
    with pytest.raises(InputError, match="can't be written: no space left"):
        ledger.counted(path, of("b"), POLICY)
    assert Path(path).read_bytes() == before


def test_looks_of_several_processes_at_once_are_all_different(path):
    """Each judges five models of its own; none is lost, none has another's number."""
    code = (
        "import sys; from tests.components.model_gate.provenance.test_ledger import *\n"
        "for number in range(5):\n"
        "    print(ledger.counted(sys.argv[1], of(sys.argv[2] + str(number)), POLICY).look)"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, path, name], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        for name in "abcd"
    ]
    found = [int(look) for one in started for look in one.communicate(timeout=120)[0].split()]
    assert sorted(found) == list(range(1, 21))
    assert [one["look"] for one in lines(path)] == list(range(1, 21))


def test_place_beside_a_table(tmp_path):
    table = tmp_path / "predictions.csv"
    table.touch()
    assert ledger.beside(str(table)) == str(tmp_path / "gate_ledger.jsonl")
    assert ledger.beside("-") == ledger.beside("/dev/null") == ledger.beside(str(tmp_path)) == ""
