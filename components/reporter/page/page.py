"""The HTML page and the model card: Content laid out by the templates beside this module.

Everything from data or settings is untrusted: autoescape is on, and only this package's own charts
and images are marked safe.
"""

from __future__ import annotations

import base64
import copy
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import yaml
from markupsafe import Markup

from components.reporter.page import charts, confusion, reliability, table_rows, thresholds, wording
from components.reporter.page.content import Content

TEMPLATES = Path(__file__).parent / "templates"
_PNG_IN_BASE64 = "iVBORw0KGgo"
_BASE64 = re.compile(r"[A-Za-z0-9+/]+=*")


def render_page(content: Content) -> str:
    """Renders the page as a self-contained string of HTML."""
    environment = template_environment(autoescape=True)
    variables = _variables(content) | {"charts": _charts(content)}
    return environment.get_template("page.html").render(variables)


def render_card(content: Content) -> str:
    """The model card in Markdown."""
    environment = template_environment(autoescape=False, finalize=_plain_markdown)
    return environment.get_template("model_card.md").render(_variables(content))


def template_environment(
    *,
    autoescape: bool,
    finalize: Callable[[Any], Any] | None = None,
    folders: Sequence[Path] = (TEMPLATES,),
) -> jinja2.Environment:
    """Templates with this package's filters; `folders` adds another page's templates."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(list(folders)),
        autoescape=autoescape,
        finalize=finalize,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        decimals=wording.decimals,
        interval=wording.interval,
        value=lambda metric: None if metric is None else metric.value,
        measure=wording.measure,
        number=wording.plain_number,
        count=wording.plain_count,
        known_patients=wording.known_patients,
        bytes=wording.plain_bytes,
        title=wording.title,
        term=wording.term,
        words=wording.words,
    )
    return environment


def _plain_markdown(value: Any) -> Any:
    """Untrusted text in Markdown: no markup, no line breaks."""
    if not isinstance(value, str):
        return value
    text = " ".join(value.split())
    for character in "\\`*_[]<>|#":
        text = text.replace(character, "\\" + character)
    return text


def _variables(content: Content) -> dict[str, Any]:
    return {
        "content": content,
        "verdict_title": wording.VERDICT_TITLES[content.verdict],
        "synthetic": bool(content.ingest and content.ingest.synthetic),
        "confidence": _confidence(content),
        "group_floor": _group_floor(content),
        "domains": wording.DOMAIN_TITLES,
        "statuses": wording.STATUS_WORDS,
        "targets": targets_of(content),
        "results": table_rows.results(content),
        "rules": table_rows.rules(content),
        "slices": table_rows.slices(content),
        "patient_overlap": _patient_overlap(content),
        "quarantine": table_rows.quarantine(content),
        "flags": table_rows.flags(content),
        "quality": table_rows.quality(content),
        "labels": table_rows.labels(content),
        "sites": table_rows.sites(content),
        "domain_shift": table_rows.domain_shift(content),
        "distances": table_rows.distances(content),
        "thumbnails": _thumbnails(content),
        "training": table_rows.training(content),
        "points": thresholds.points(content.gate),
        "given_prevalence": bool(
            content.gate and any(one.given for one in content.gate.decision_curves)
        ),
        "calibration": reliability.rows(content.predictions, targets_of(content)),
        "config": shown_config(content.run_settings),
    }


def targets_of(content: Content) -> list[str]:
    """Names of the model's outputs, from the card or else from the predictions."""
    if content.card:
        return list(content.card.targets)
    if content.predictions is None:
        return []
    names = [name for name in content.predictions.columns if name.startswith("prediction/")]
    return [name.removeprefix("prediction/") for name in names]


def _patient_overlap(content: Content) -> str:
    """What the data gate says of patients in two splits."""
    checks = content.data_gate.checks if content.data_gate else ()
    found = [check.message for check in checks if check.name == "patient_overlap"]
    return found[0] if found else "not checked, the run ended before"


def _confidence(content: Content) -> str:
    """Level of the gate's intervals in percent: a later look at the test set has a higher one."""
    if content.gate is None:
        return ""
    look = content.gate.reuse
    level = look.confidence if look else content.gate.settings["confidence"]
    return f"{100 * level:.5g}"


def _group_floor(content: Content) -> float | None:
    return content.gate.settings["subgroups"]["min_auc"] if content.gate else None


def _charts(content: Content) -> dict[str, Any]:
    drawn: dict[str, Any] = {
        "curves": {
            history.stage: _safe(charts.training_curves(history))
            for history in (content.upstream, content.pretrain, content.finetune)
            if history is not None
        },
        "views": {
            stage: "data:image/png;base64," + base64.b64encode(image_grid).decode("ascii")
            for stage, image_grid in content.views.items()
        },
        **dict.fromkeys(("confusion", "roc", "reliability", "forest", "benefit", "histograms")),
    }
    if content.predictions is not None:
        targets = targets_of(content)
        drawn["roc"] = _safe(charts.roc_curves(content.predictions, targets))
        drawn["reliability"] = _safe(reliability.diagram(content.predictions, targets))
    if content.gate is not None:
        metrics = content.gate.metrics
        overall = {domain: named["auc"] for domain, named in metrics.items() if "auc" in named}
        floor = _group_floor(content)
        drawn["confusion"] = _safe(confusion.picture(content.gate.confusion))
        drawn["benefit"] = _safe(thresholds.decision_curves(content.gate.decision_curves))
        drawn["forest"] = _safe(charts.forest(overall, content.gate.subgroups, floor))
    if content.image_statistics is not None:
        drawn["histograms"] = _safe(charts.image_histograms(content.image_statistics))
    return drawn


def _thumbnails(content: Content) -> dict[str, str]:
    """The data gate's thumbnails as data URIs, by pseudonym; skips anything but PNG."""
    found = content.data_gate.thumbnails if content.data_gate else {}
    return {
        name: f"data:image/png;base64,{data}"
        for name, data in found.items()
        if data.startswith(_PNG_IN_BASE64) and _BASE64.fullmatch(data)
    }


def _safe(svg: str | None) -> Markup | None:
    """Marks an SVG of `charts` as safe: its text was escaped when it was serialized."""
    return None if svg is None else Markup(svg)


def shown_config(run_settings: Mapping[str, Any]) -> str:
    """The configuration as YAML, without the path of the pseudonyms' key."""
    shown = copy.deepcopy(dict(run_settings))
    for data in (shown["data"], shown["upstream"]["data"]):
        if data["id_key_file"]:
            data["id_key_file"] = "(not shown)"
    return yaml.safe_dump(shown, sort_keys=False, allow_unicode=True)
