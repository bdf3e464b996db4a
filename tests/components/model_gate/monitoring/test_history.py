"""What looks may spend, and a history that is damaged or in use."""

import fcntl
import math

import pytest

from components.model_gate.monitoring.history import opened, spent
from schemas import locked_lines
from schemas.documents.monitoring import Look
from schemas.errors import InputError


def look(number: int, verdict: str = "v", data: str = "", alpha: float = 0.05) -> Look:
    return Look(
        look=number,
        verdict=verdict,
        data=data or f"d{number}",
        domain="in_distribution",
        time="2026-01-01T00:00:00+00:00",
        alpha=alpha,
        spent=spent(alpha, number),
        tests=2,
        status="no_alarm",
        patients=60,
        distance={"score": 0.1},
        estimated={},
        measured={},
    )


def test_what_looks_spend_adds_up_to_alpha():
    """1/(1*2) + 1/(2*3) + ... + 1/(n*(n+1)) = 1 - 1/(n+1)."""
    for looks in (1, 24, 1000):
        total = math.fsum(spent(0.05, one) for one in range(1, looks + 1))
        assert total == pytest.approx(0.05 * (1 - 1 / (looks + 1)))


def test_looks_are_kept_by_verdict(tmp_path):
    path = str(tmp_path / "history.jsonl")
    with opened(path, "v") as one:
        one.add(look(1))
        one.add(look(2))
    with opened(path, "other") as one:
        assert one.looks == ()
        one.add(look(1, verdict="other"))
    with opened(path, "v") as one:
        assert [found.look for found in one.looks] == [1, 2]
        assert one.earlier("d2") == look(2)
        assert one.earlier("d3") is None


def test_a_history_that_nothing_was_added_to_is_empty(tmp_path):
    path = tmp_path / "history.jsonl"
    for _ in range(2):
        with opened(str(path), "v") as one:
            assert one.looks == ()
    assert path.read_bytes() == b""


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (lambda text: text[:-20], 2),
        (lambda text: text.replace('"look":2', '"look":"two"'), 2),
        (lambda text: text.replace('"alpha":0.05', '"alpha":7', 1), 1),
        (lambda text: "\n" + text, 1),
        (lambda text: text + "\x00\xff\n", 3),
    ],
)
def test_damage_is_one_clear_line(tmp_path, damage, line):
    path = tmp_path / "history.jsonl"
    with opened(str(path), "v") as one:
        one.add(look(1))
        one.add(look(2))
    path.write_text(damage(path.read_text()))
    match = rf"damaged in line {line}: .*restore it"
    with pytest.raises(InputError, match=match) as raised, opened(str(path), "v"):
        pass
    assert "\n" not in str(raised.value)


def test_a_lost_look_is_noticed(tmp_path):
    path = tmp_path / "history.jsonl"
    with opened(str(path), "v") as one:
        for number in (1, 2, 3):
            one.add(look(number))
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(lines[0] + lines[2])
    with (
        pytest.raises(InputError, match="line 2: look 3 is in the place of look 2"),
        opened(str(path), "v"),
    ):
        pass


def test_a_history_in_use_and_one_that_cannot_be_written(tmp_path, monkeypatch):
    monkeypatch.setattr(locked_lines, "_WAIT_SECONDS", 0.2)
    path = tmp_path / "history.jsonl"
    with open(path, "a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="locked by another process"), opened(str(path), "v"):
            pass
    with pytest.raises(InputError, match="can't be opened"), opened(str(tmp_path), "v"):
        pass


def test_alpha_is_not_changed_midway(tmp_path):
    with opened(str(tmp_path / "h.jsonl"), "v") as one:
        one.add(look(1))
    with opened(str(tmp_path / "h.jsonl"), "v") as one:
        one.check_alpha(0.05)
        with pytest.raises(InputError, match=r"begun with 0\.05"):
            one.check_alpha(0.01)
