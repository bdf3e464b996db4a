"""The locks hold what was asked for, and nothing of the machine that made them."""

import re
from pathlib import Path

import farmhash
import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-gate.lock")


def pins(name: str) -> dict[str, set[str]]:
    """The versions of each package (several where Python versions differ)."""
    found: dict[str, set[str]] = {}
    for package, version in re.findall(r"(?m)^([\w.-]+)==(\S+)", (ROOT / name).read_text()):
        found.setdefault(package, set()).add(version)
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_is_pinned_and_hashed(name):
    requirements = re.split(r"(?m)^(?=[^\s#])", (ROOT / name).read_text())
    requirements = [requirement for requirement in requirements if requirement.strip()]
    assert len(requirements) > 10
    for requirement in requirements:
        assert re.match(r"[\w.-]+==\S+", requirement), requirement.splitlines()[0]
        assert "--hash=sha256:" in requirement, requirement.splitlines()[0]


@pytest.mark.parametrize("name", LOCKS)
def test_no_index_and_no_path_is_named(name):
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert not re.search(r"(?m)^\s*(-i|--index|--extra-index|--find-links)", text)
    assert not re.search(r"(?<![\w.-])/\w", text)


@pytest.mark.parametrize("name", LOCKS)
def test_everything_asked_for_is_there(name):
    asked = re.findall(r"(?m)^[\w.-]+", (ROOT / name.replace(".lock", ".in")).read_text())
    assert {package.lower() for package in asked} <= set(pins(name))


@pytest.mark.parametrize("name", LOCKS[1:])
def test_locks_agree(name):
    runtime, other = pins(LOCKS[0]), pins(name)
    for package in runtime.keys() & other.keys():
        assert other[package] <= runtime[package], package


def test_the_gates_lock_holds_a_part_of_the_runtimes():
    """What the gate is tested with is what it is installed with."""
    runtime, gate = pins("requirements.lock"), pins("requirements-gate.lock")
    assert {package: gate[package] for package in gate} == {p: runtime[p] for p in gate}
    assert len(gate) < 20


@pytest.mark.parametrize(
    ("text", "bits32", "bits64"),
    [
        ("image/mean", 3765013980, 18192997573983825786),
        ("label/pneumonia/weight", 3831126995, 7531318370037427038),
    ],
)
def test_fingerprints_are_those_of_the_version_that_tfdv_asks_for(text, bits32, bits64):
    # Computed with pyfarmhash 0.3.2, which the lock replaces (pyproject.toml, tool.uv).
    assert farmhash.fingerprint32(text) == bits32
    assert farmhash.fingerprint64(text) == bits64
