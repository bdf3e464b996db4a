"""Writes the study's files from the folders of its cells."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from components.label_efficiency.cell.cell import SPLIT_COLUMN, TABLE_FILE
from components.label_efficiency.cell.settings import StudySettings
from components.label_efficiency.report import wording
from components.label_efficiency.report.curves import ADAPTED, CURVES, LABELS_ID, build_curve
from components.label_efficiency.report.curves import LABELS_SHIFTED as ZERO_SHOT
from components.label_efficiency.report.headlines import headline
from components.label_efficiency.report.page import Study, render_study
from components.reporter.render import installed_versions
from components.statistics.judged_rows import JudgedRows
from schemas.documents.ingest import IngestReport
from schemas.documents.run import Pushed, RunReport
from schemas.documents.study import CellResult, StudyMetrics
from trainer_modules.settings import TaskSettings

PAGE_FILE = "index.html"
# Forgetting is shown as a curve, without a headline.
_ASKED = (LABELS_ID, ZERO_SHOT, ADAPTED)


def read_cells(
    folders: Sequence[str], task: TaskSettings
) -> list[tuple[CellResult, dict[str, JudgedRows]]]:
    """Each cell's result, and the records it was judged on by split; none without labels."""
    import pandas as pd

    cells = []
    for folder in map(Path, folders):
        records = {}
        if (folder / TABLE_FILE).is_file():
            table = pd.read_parquet(folder / TABLE_FILE)
            exclusive = task.kind == "multiclass"
            records = {
                split: JudgedRows.from_table(rows, task.targets, exclusive)
                for split, rows in table.groupby(SPLIT_COLUMN)
            }
        cells.append((CellResult.read(folder), records))
    return cells


def write_study(
    out_dir: str | Path,
    cells: Sequence[tuple[CellResult, Mapping[str, JudgedRows]]],
    settings: StudySettings,
    *,
    left_out: Mapping[str, str],
    run_settings: Mapping[str, Any],
    ingest: IngestReport,
) -> Study:
    """Writes `study.json` (every figure), `index.html`, and `report.json` for summary.json."""
    curves = tuple(build_curve(name, cells, settings) for name in CURVES)
    curves = tuple(curve for curve in curves if len({p.fraction for p in curve.points}) > 1)
    arms = {result.cell.arm for result, _ in cells}
    study = Study(
        curves=curves,
        headlines=tuple(
            headline(curve, sorted(arms), settings) for curve in curves if curve.name in _ASKED
        ),
        cells=tuple(result for result, _ in cells),
        left_out=left_out,
        settings=settings,
        run_settings=run_settings,
        ingest=ingest,
        versions=installed_versions(),
    )
    folder = Path(out_dir)
    metrics_of(study).write(folder)
    _report(study).write(folder)
    (folder / PAGE_FILE).write_text(render_study(study), encoding="utf-8")
    return study


def metrics_of(study: Study) -> StudyMetrics:
    """What study.json holds."""
    return StudyMetrics(
        synthetic=study.ingest.synthetic,
        headlines=[
            {"sentence": wording.answer(one), **dataclasses.asdict(one)} for one in study.headlines
        ],
        curves=[
            {"name": curve.name, "points": [dataclasses.asdict(point) for point in curve.points]}
            for curve in study.curves
        ],
        left_out=dict(study.left_out),
        settings=study.settings.model_dump(mode="json"),
        cells=study.cells,
        versions=dict(study.versions),
    )


def _report(study: Study) -> RunReport:
    """What the runner merges into summary.json; a study pushes nothing and has no verdict."""
    return RunReport(
        verdict="evaluated",
        reasons=[wording.answer(one) for one in study.headlines],
        blessed=None,
        metrics={},
        pushed=Pushed(classifier=None, encoder=None),
        quarantined=study.ingest.quarantined_count,
    )
