"""A plugin of pytest: what a shared fixture has run counts for every test that asks for it.

It also imports what tests marked `tfx` import late, before workers are forked: each would take ten
seconds for it.

mutmut notes which functions each test runs, and would note those of a fixture of a module, which
runs once, for its first test alone; of the others none would be tried on their mutants.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from mutmut.state import state

_ran: dict[str, set[str]] = {}


def pytest_collection_finish(session: pytest.Session) -> None:
    """The process from which workers are forked collects the tests and runs none."""
    late = any(item.get_closest_marker("tfx") for item in session.items)
    if late and session.config.option.collectonly:
        import tensorflow_model_analysis  # noqa: F401

        from pipeline.graph import create_pipeline, study_pipeline  # noqa: F401


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
