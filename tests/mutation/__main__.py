"""Mutation testing: changes the code a little, many times, and counts the changes tests notice."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable

from tests.mutation import survivors
from tests.mutation.areas import AREAS
from tests.mutation.mutants import Mutants

REQUIRED = 0.85


def main() -> int:
    arguments = _arguments()
    end = time.monotonic() + 60 * arguments.minutes if arguments.minutes else None
    found: dict[str, dict[str, survivors.Module]] = {}
    for name in arguments.areas or AREAS:
        left = None if end is None else end - time.monotonic()
        if left is not None and left <= 0:
            print(f"{name}: no time left; the same command continues from here")
            break
        found[name] = _area(name, arguments.sample, arguments.jobs, left)
    survivors.write(
        {source: module for area in found.values() for source, module in area.items()},
        {area: Mutants(area).sources for area in AREAS},
    )
    print(f"Those alive are in {survivors.FILE.name}.")
    enough = [_enough(name, area.values()) for name, area in found.items()]
    return 0 if enough and all(enough) else 1


def _enough(area: str, modules: Iterable[survivors.Module]) -> bool:
    """Says how many mutants of an area were killed, and whether they are as many as required."""
    outcome = survivors.together(modules)
    print(f"{area}: {outcome.killed} of {outcome.tried} mutants killed")
    return outcome.tried > 0 and outcome.killed >= REQUIRED * outcome.tried


def _area(name: str, size: int, jobs: int, seconds: float | None) -> dict[str, survivors.Module]:
    """Tries what is not known yet; mutants that were alive once more where tests changed.

    What ran out of time does so a second time before it counts as killed: the machine may have been
    busy.
    """
    mutants = Mutants(name)
    mutants.prepare()
    again = mutants.tests_changed()
    end = None if seconds is None else time.monotonic() + seconds
    for pending in (lambda m: not m.tried or (again and m.alive), lambda m: m.timed_out):
        names = [
            mutant.name
            for source in mutants.sources
            for mutant in mutants.sample(source, size)
            if pending(mutant)
        ]
        print(f"{name}: {len(names)} mutants to try", flush=True)
        if names:
            mutants.run(names, jobs, end and max(0, end - time.monotonic()))
    found = {}
    for source in filter(mutants.names().get, mutants.sources):
        tried = [mutant for mutant in mutants.sample(source, size) if mutant.tried]
        alive = (mutants.change(source, mutant.name) for mutant in tried if mutant.alive)
        found[source] = survivors.Module(
            len(mutants.names()[source]),
            len(tried),
            tuple(survivors.Survivor(*change) for change in alive),
        )
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("areas", nargs="*", metavar="AREA", help=f"of {', '.join(AREAS)}; all")
    parser.add_argument(
        "--sample", type=int, default=25, help="mutants of each module; 0: all (default 25)"
    )
    parser.add_argument("--minutes", type=float, help="stop after this time; a next run goes on")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time (default 2)")
    arguments = parser.parse_args()
    unknown = set(arguments.areas) - set(AREAS)
    if unknown:
        parser.error(f"no area {', '.join(sorted(unknown))}; there are {', '.join(AREAS)}")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
