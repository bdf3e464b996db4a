"""From the cells' folders to the study's files."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from components.label_efficiency.cell.cell import CELL_FILE, SPLIT_COLUMN, TABLE_FILE, CellResult
from components.label_efficiency.cell.settings import StudySettings
from components.label_efficiency.report import wording
from components.label_efficiency.report.curves import ADAPTED, CURVES, LABELS_ID, build_curve
from components.label_efficiency.report.curves import LABELS_SHIFTED as ZERO_SHOT
from components.label_efficiency.report.headlines import headline
from components.label_efficiency.report.page import Study, render_study
from components.reporter.render import installed_versions
from components.statistics.judged_rows import Records
from schemas.documents.ingest import IngestReport
from trainer_modules.settings import TaskSettings

FIGURES_FILE, PAGE_FILE, REPORT_FILE = "study.json", "index.html", "report.json"
# Forgetting is shown as a curve; nothing is claimed of it.
_ASKED = (LABELS_ID, ZERO_SHOT, ADAPTED)


def read_cells(
    folders: Sequence[str], task: TaskSettings
) -> list[tuple[CellResult, dict[str, Records]]]:
    """Each cell's result, and the records it was judged on by split; none without labels."""
    import pandas as pd

    cells = []
    for folder in map(Path, folders):
        text = (folder / CELL_FILE).read_text(encoding="utf-8")
        records = {}
        if (folder / TABLE_FILE).is_file():
            table = pd.read_parquet(folder / TABLE_FILE)
            exclusive = task.kind == "multiclass"
            records = {
                split: Records.from_table(rows, task.targets, exclusive)
                for split, rows in table.groupby(SPLIT_COLUMN)
            }
        cells.append((CellResult.model_validate_json(text), records))
    return cells


def write_study(
    out_dir: str | Path,
    cells: Sequence[tuple[CellResult, Mapping[str, Records]]],
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
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(folder / FIGURES_FILE, figures(study))
    _write_json(folder / REPORT_FILE, _report(study))
    (folder / PAGE_FILE).write_text(render_study(study), encoding="utf-8")
    return study


def figures(study: Study) -> dict[str, Any]:
    """The content of study.json."""
    return {
        "synthetic": study.ingest.synthetic,
        "headlines": [
            {"sentence": wording.answer(one), **dataclasses.asdict(one)} for one in study.headlines
        ],
        "curves": [
            {"name": curve.name, "points": [dataclasses.asdict(point) for point in curve.points]}
            for curve in study.curves
        ],
        "left_out": dict(study.left_out),
        "settings": study.settings.model_dump(mode="json"),
        "cells": [result.model_dump(mode="json") for result in study.cells],
        "versions": dict(study.versions),
    }


def _report(study: Study) -> dict[str, Any]:
    """What the runner merges into summary.json; a study pushes nothing and has no verdict."""
    return {
        "verdict": "evaluated",
        "reasons": [wording.answer(one) for one in study.headlines],
        "blessed": None,
        "metrics": {},
        "pushed": {"classifier": None, "encoder": None},
        "quarantined": study.ingest.quarantined_count,
    }


def _write_json(path: Path, content: Any) -> None:
    text = json.dumps(_finite(content), indent=1, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def _finite(value: Any) -> Any:
    """JSON has no NaN: what is not known is null."""
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
