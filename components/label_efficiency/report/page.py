"""The study's page: one HTML file in the style of the run's report."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from components.label_efficiency.cell.settings import StudySettings
from components.label_efficiency.report import charts, wording
from components.label_efficiency.report.curves import JUDGED, Curve
from components.label_efficiency.report.headlines import Headline
from components.reporter.page.page import TEMPLATES, shown_config, template_environment
from schemas.documents.ingest import IngestReport
from schemas.documents.study import CellResult

_TEMPLATES = Path(__file__).parent / "templates"


@dataclasses.dataclass(frozen=True)
class Study:
    """Everything that the page shows."""

    curves: tuple[Curve, ...]
    headlines: tuple[Headline, ...]
    cells: tuple[CellResult, ...]
    left_out: Mapping[str, str]
    settings: StudySettings
    run_settings: Mapping[str, Any]
    ingest: IngestReport
    versions: Mapping[str, str]


def render_study(study: Study) -> str:
    """Renders the page as a self-contained string of HTML."""
    environment = template_environment(autoescape=True, folders=(_TEMPLATES, TEMPLATES))
    environment.filters.update(
        percent=wording.percent,
        shown=wording.shown,
        answer=wording.answer,
        between=wording.between,
    )
    drawn = charts.draw_curves(study.curves)
    return environment.get_template("study.html").render(
        study=study,
        chart=None if drawn is None else Markup(drawn),
        arms=wording.ARM_NAMES,
        notes=wording.ARM_NOTES,
        titles=wording.CURVE_TITLES,
        labels=wording.CURVE_LABELS,
        statuses=wording.STATUS_NAMES,
        range=wording.interval,
        judged=JUDGED,
        config=shown_config(study.run_settings),
    )
