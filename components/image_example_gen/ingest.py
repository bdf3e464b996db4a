"""The Beam pipeline of ingestion: units of work in, counts out.

Images never pass through Beam: each unit opens, encodes and writes its own, so memory depends
neither on their number nor on how the runner shuffles.
"""

from __future__ import annotations

import contextlib
import glob
import os
from collections.abc import Iterable, Iterator

import apache_beam as beam

from components.image_example_gen.plan import plan_units
from components.image_example_gen.privacy import IdMapping, Pseudonyms
from components.image_example_gen.rows.row import Source
from components.image_example_gen.rows.units import Unit
from components.image_example_gen.settings import DataSettings
from components.image_example_gen.sources import spans
from components.image_example_gen.sources.registry import open_source
from components.image_example_gen.writing import ingest_report, patient_counts
from components.image_example_gen.writing.shards import write_shard
from trainer_modules.settings import TaskSettings


def add_ingestion(
    pipeline: beam.Pipeline,
    data: DataSettings,
    task: TaskSettings,
    seed: int,
    key: bytes,
    examples: str,
    report: str,
    mapping: IdMapping | None = None,
) -> Source:
    """Plans the ingestion, adds it to a Beam pipeline and returns the source.

    Args:
        pipeline: not run here.
        data: source, splits and encoding.
        task: labels.
        seed: of the splits.
        key: of the pseudonyms.
        examples: folder for Split-<name>/ folders of records.
        report: folder for report.json and the index.
        mapping: table of identities and pseudonyms to write, if requested.

    Raises:
        InputError: the data set can't be ingested.
    """
    # Resolved once: workers must not find a folder that arrived in the meantime.
    data = spans.resolved(data)
    source = open_source(data, task)
    source.check()
    os.makedirs(report, exist_ok=True)
    with mapping or contextlib.nullcontext() as table:
        plan = plan_units(source, data, seed, Pseudonyms(key), table)
    _ = (
        pipeline
        | "Units" >> beam.Create(plan.units, reshuffle=False)
        | "Spread" >> beam.Reshuffle()
        | "WriteShards" >> beam.ParDo(_WriteShard(data, task, examples, report))
        | "Sum" >> beam.CombineGlobally(_merge)
        | "WriteReport"
        >> beam.Map(_write_report, data, task, report, dict(source.counts()), dict(plan.fractions))
    )
    return source


class _WriteShard(beam.DoFn):
    """Unit -> Summary."""

    def __init__(self, data: DataSettings, task: TaskSettings, examples: str, report: str):
        self._data = data
        self._task = task
        self._examples = examples
        self._report = report

    def setup(self) -> None:
        self._source = open_source(self._data, self._task)

    def process(self, unit: Unit) -> Iterator[ingest_report.Summary]:
        yield write_shard(unit, self._source, self._data, self._task, self._examples, self._report)


def _merge(summaries: Iterable[ingest_report.Summary]) -> ingest_report.Summary:
    total = ingest_report.Summary()
    for summary in summaries:
        total.merge(summary)
    return total


def _write_report(
    summary: ingest_report.Summary,
    data: DataSettings,
    task: TaskSettings,
    report: str,
    listing: dict[str, int],
    fractions: dict[str, float],
) -> None:
    paths = sorted(glob.glob(os.path.join(glob.escape(report), ingest_report.INDEX_PATTERN)))
    patients, by_class = patient_counts.count_patients(paths, task)
    ingest_report.build_report(
        summary, patients, data, task, listing, by_class=by_class, fractions=fractions
    ).write(report)
