"""Everything about a run that can be wrong before it starts. Nothing here creates or changes files.

Only when all of it is right does a run touch its output folder.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from components.data_gate.passed_folder import check_passed_data
from components.image_example_gen.privacy import KEY_VARIABLE, read_key
from components.image_example_gen.settings import DataSettings
from components.image_example_gen.sources import spans
from components.image_example_gen.sources.registry import check_source, data_fingerprint
from pipeline.config.config import RunConfig
from pipeline.config.curated_schema import read_schema
from pipeline.graph import beam_options, node_names
from pipeline.local.places import (
    Place,
    check_apart,
    check_push_destination,
    read_place,
    written_place,
)
from pipeline.local.run_folder import OWN_FOLDERS, RunFolder
from schemas.errors import InputError
from trainer_modules.settings import files as settings_files

STUDIES = ("label_efficiency",)


@dataclasses.dataclass(frozen=True)
class Checked:
    """What a run starts from: its folder, its schema and the state of its data."""

    folder: RunFolder
    schema: Path
    fingerprints: dict[str, str]


def check_run(
    config: RunConfig,
    output: str,
    *,
    study: str = "",
    from_nodes: Sequence[str] = (),
    to_nodes: Sequence[str] = (),
) -> Checked:
    """Checks the arguments of `run_locally`, the settings and the places of a run.

    Raises:
      InputError: Names the argument or setting, the value received and what is accepted.
    """
    _check_study(study)
    _check_nodes(config, study, (*from_nodes, *to_nodes))
    beam_options.check_local(config.beam)
    folder = RunFolder(output, study)
    _check_start(folder, from_nodes)
    _check_places(config, folder)
    sources = {"data_fingerprint": (config.data, config.task)}
    check_source(config.data, config.task)
    if config.upstream.enabled:
        sources["upstream_fingerprint"] = (config.upstream.data, config.upstream.given_task)
        _check_upstream_source(config)
    _check_keys([data for data, _ in sources.values()], config.data.id_key_file, folder)
    schema = read_schema(config.curated_schema)
    fingerprints = {name: data_fingerprint(*source) for name, source in sources.items()}
    return Checked(folder, schema, fingerprints)


def _check_study(study: str) -> None:
    if study and study not in STUDIES:
        near = settings_files.nearest(study, STUDIES)
        raise InputError(f"--study '{study}' does not exist{near}; accepted: {', '.join(STUDIES)}")


def _check_nodes(config: RunConfig, study: str, given: Sequence[str]) -> None:
    names = node_names.study_nodes(config) if study else node_names.release_nodes(config)
    for name in given:
        if name not in names:
            near = settings_files.nearest(name, names)
            raise InputError(f"node '{name}' does not exist{near}; accepted: {', '.join(names)}")


def _check_start(folder: RunFolder, from_nodes: Sequence[str]) -> None:
    """A folder without a run has no results to reuse."""
    if from_nodes and not set(from_nodes) & set(node_names.FIRST) and not folder.metadata.exists():
        raise InputError(
            f"--from-node {', '.join(from_nodes)} reuses what an earlier run made, and no run has "
            f"been in {folder.place}: run once without --from-node"
        )


def _check_places(config: RunConfig, folder: RunFolder) -> None:
    written = []
    if config.push.enabled and config.push.destination:
        written.append(written_place(config.push.destination, "push.destination"))
        check_push_destination(written[0], folder.place, OWN_FOLDERS)
    if config.data_gate.passed_data:
        written.append(written_place(config.data_gate.passed_data, "data_gate.passed_data"))
    check_passed_data(config.data_gate.passed_data or str(folder.root / "passed_data"))
    if config.gate.ledger:
        ledger_folder = Path(config.gate.ledger).expanduser().parent
        written_place(str(ledger_folder), "folder of gate.ledger", alone=False)
    check_apart(folder.place, written, _images(config))
    weights = config.model.init.path
    if weights and Path(weights).is_dir():
        place = read_place(weights, "model.init.path")
        if folder.place.is_in(place):
            raise InputError(f"{folder.place} is in the folder of weights {place}; give another")


def _images(config: RunConfig) -> Iterator[Place]:
    yield from _roots(config.data, "data.root")
    if config.upstream.enabled:
        yield from _roots(config.upstream.data, "upstream.data.root")


def _roots(data: DataSettings, name: str) -> Iterator[Place]:
    if data.source != "synthetic":
        found = spans.resolved(data)
        for root in (found.root, *(part.root for part in found.parts)):
            if root:
                yield read_place(root, name)


def _check_upstream_source(config: RunConfig) -> None:
    """Prefixes messages of the source, which name `data` and `task`; this run has two of each."""
    try:
        check_source(config.upstream.data, config.upstream.given_task)
    except InputError as error:
        raise InputError(f"upstream: {error}", local=error.local) from None


def _check_keys(data: Sequence[DataSettings], given: str, folder: RunFolder) -> None:
    """Reads the key that ingestion will read, if it exists; a run makes its own otherwise."""
    file = given
    if not given and not os.environ.get(KEY_VARIABLE):
        own = folder.own_key
        if not own.exists():
            return
        file = str(own)
    for one in data:
        read_key(one.source, file)
