"""A plugin of pytest: what a shared fixture has run counts for every test that asks for it.

mutmut notes which functions each test runs, and would note those of a fixture of a module, which
runs once, for its first test alone; of the others none would be tried on their mutants.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from mutmut.state import state

_ran: dict[str, set[str]] = {}


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: Any) -> Iterator[None]:
    before = set(state()._stats)
    result = yield
    if fixturedef.scope != "function":
        _ran.setdefault(fixturedef.argname, set()).update(state()._stats - before)
    return result


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: Any) -> None:
    for name in getattr(item, "fixturenames", ()):
        state()._stats.update(_ran.get(name, ()))
