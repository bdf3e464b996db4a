"""What is tried, and what of it again, before it counts."""

import pytest

from tests.mutation import __main__ as command
from tests.mutation import survivors
from tests.mutation.mutants import INTERRUPTED, Mutant

KILLED, SURVIVED, TIMED_OUT = 1, 0, -24


class Area:
    """Four mutants of one module; `outcomes` holds the exit codes of a mutant's next trials."""

    sources = ("a.py",)

    def __init__(self, known, outcomes, changed):
        self.known, self.outcomes, self._changed = known, outcomes, changed
        self.trials = []

    def prepare(self):
        pass

    def tests_changed(self):
        return self._changed

    def names(self):
        return {"a.py": list(self.known)}

    def sample(self, source, size):
        return [Mutant(name, code) for name, code in self.known.items()]

    def run(self, names, jobs, seconds):
        self.trials.append(names)
        for name in names:
            self.known[name] = self.outcomes[name].pop(0)

    def change(self, source, name):
        return "f", name


@pytest.fixture
def tried(monkeypatch):
    def run(known, outcomes, changed=False):
        area = Area(known, outcomes, changed)
        monkeypatch.setattr(command, "Mutants", lambda name: area)
        found = command._area("losses", 0, 1, None)["a.py"]
        return area.trials, found.killed, {one.change for one in found.survivors}

    return run


def test_a_mutant_that_runs_out_of_time_is_killed_only_if_it_does_so_twice(tried):
    new = dict.fromkeys("abcd")
    outcomes = {
        "a": [KILLED],
        "b": [SURVIVED],
        "c": [TIMED_OUT, SURVIVED],
        "d": [TIMED_OUT, TIMED_OUT],
    }
    assert tried(new, outcomes) == ([list("abcd"), ["c", "d"]], 2, {"b", "c"})


def test_verdicts_stand_until_tests_change(tried):
    known = {"a": KILLED, "b": SURVIVED, "c": INTERRUPTED}
    assert tried(known, {"c": [KILLED]}) == ([["c"]], 2, {"b"})
    known = {"a": KILLED, "b": SURVIVED, "c": KILLED}
    assert tried(known, {"b": [KILLED]}, changed=True) == ([["b"]], 3, set())


@pytest.mark.parametrize(
    ("killed", "status"),
    [({"losses": 17, "splits": 20}, 0), ({"losses": 16, "splits": 20}, 1), ({"losses": 0}, 1)],
)
def test_every_area_must_reach_the_rate(killed, status, monkeypatch):
    def area(name, *_):
        alive = (survivors.Survivor("f", "change"),) * (20 - killed[name])
        return {f"{name}.py": survivors.Module(40, 20, alive)}

    written = {}
    monkeypatch.setattr("sys.argv", ["mutation", *killed])
    monkeypatch.setattr(command, "_area", area)
    monkeypatch.setattr(command, "Mutants", lambda name: Area({}, {}, False))
    monkeypatch.setattr(survivors, "write", lambda found, areas: written.update(found))
    assert command.main() == status
    assert set(written) == {f"{name}.py" for name in killed}


def test_without_time_nothing_is_proven(monkeypatch):
    monkeypatch.setattr("sys.argv", ["mutation", "--minutes", "-1"])
    monkeypatch.setattr(command, "Mutants", lambda name: Area({}, {}, False))
    monkeypatch.setattr(survivors, "write", lambda found, areas: None)
    assert command.main() == 1
