"""The HTML page and the model card: Content laid out by the templates beside this module.

Everything that comes from data or settings is untrusted: autoescape is on, and only this
package's own charts and images are marked safe.
"""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jinja2
import yaml
from markupsafe import Markup

from components.reporter import charts
from components.reporter.content import Content
from components.reporter.parts import Figure
from components.reporter.wording import (
    DOMAIN_TITLES,
    METRIC_NAMES,
    STATUS_WORDS,
    VERDICT_TITLES,
    figure,
    interval,
    measure,
    metric_name,
    plain_bytes,
    plain_count,
    plain_number,
)

TEMPLATES = Path(__file__).parent / "templates"
HEADLINE = ("auc", "sensitivity", "specificity", "ppv", "accuracy", "brier", "ece")
MAX_SLICES = 120
MAX_SITES = 40
MAX_ROWS_NAMED = 12


def render_page(content: Content) -> str:
    """The whole page as one string of HTML that refers to nothing outside itself."""
    environment = _environment(autoescape=True)
    return environment.get_template("page.html").render(_variables(content))


def render_card(content: Content) -> str:
    """The model card in Markdown."""
    environment = _environment(autoescape=False, finalize=_plain_markdown)
    return environment.get_template("model_card.md").render(_variables(content))


def _environment(
    *, autoescape: bool, finalize: Callable[[Any], Any] | None = None
) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=autoescape,
        finalize=finalize,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        figure=figure,
        interval=interval,
        measure=measure,
        number=plain_number,
        count=plain_count,
        bytes=plain_bytes,
        metric=metric_name,
    )
    return environment


def _plain_markdown(value: Any) -> Any:
    """Untrusted text in Markdown: no markup, no line breaks. Own fragments are Markup."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    text = " ".join(value.split())
    for character in "\\`*_[]<>|#":
        text = text.replace(character, "\\" + character)
    return text


def _variables(content: Content) -> dict[str, Any]:
    gate_settings = content.run_settings.get("gate") or {}
    return {
        "content": content,
        "verdict_title": VERDICT_TITLES[content.verdict],
        "synthetic": bool(content.ingest and content.ingest.synthetic),
        "confidence": round(100 * float(gate_settings.get("confidence") or 0.95)),
        "resamples": gate_settings.get("resamples"),
        "domains": DOMAIN_TITLES,
        "statuses": STATUS_WORDS,
        "headline": _headline(content),
        "targets": targets_of(content),
        "slices": _slice_table(content),
        "quarantine": _quarantine(content),
        "labels": _labels(content),
        "sites": _sites(content),
        "training": _training(content),
        "charts": _charts(content, gate_settings),
        "config": _shown_config(content.run_settings),
    }


def targets_of(content: Content) -> list[str]:
    """Names of the model's outputs, from the card, else from the predictions."""
    if content.card and content.card.targets:
        return list(content.card.targets)
    if content.predictions is None:
        return []
    names = [name for name in content.predictions.columns if name.startswith("prediction/")]
    return [name.removeprefix("prediction/") for name in names]


def _headline(content: Content) -> list[dict[str, Any]]:
    """Rows of the headline table: each mean metric, then the same by target."""
    metrics = content.gate.metrics if content.gate else {}
    names = list(dict.fromkeys(name for figures in metrics.values() for name in figures))
    order = {name: place for place, name in enumerate(HEADLINE)}
    names.sort(key=lambda name: order.get(name.partition("/")[0], len(order)))
    rows = []
    for name in names:
        base, _, target = name.partition("/")
        rows.append(
            {
                "name": METRIC_NAMES.get(base, base),
                "target": target,
                "figures": {
                    domain: metrics.get(domain, {}).get(name, Figure()) for domain in DOMAIN_TITLES
                },
            }
        )
    return rows


def _slice_table(content: Content) -> dict[str, Any]:
    """TFMA's rows pivoted: a line for each slice and output, a column for each metric."""
    metrics = list(dict.fromkeys(row.metric for row in content.slices))
    lines: dict[tuple[str, str], dict[str, float | None]] = {}
    for row in content.slices:
        lines.setdefault((row.slice, row.output), {})[row.metric] = row.value
    ordered = sorted(lines.items(), key=lambda item: (item[0][0] != "overall", item[0]))
    return {
        "metrics": metrics,
        "with_output": any(output for _, output in lines),
        "lines": [(*key, values) for key, values in ordered[:MAX_SLICES]],
        "left_out": max(0, len(ordered) - MAX_SLICES),
    }


def _quarantine(content: Content) -> list[dict[str, Any]]:
    if content.ingest is None:
        return []
    result = []
    for reason, count in sorted(content.ingest.reasons.items(), key=lambda item: -item[1]):
        rows = [
            q.row for q in content.ingest.quarantined if q.reason == reason and q.row is not None
        ]
        result.append(
            {
                "reason": reason,
                "count": count,
                "rows": rows[:MAX_ROWS_NAMED],
                "more": count - len(rows[:MAX_ROWS_NAMED]),
            }
        )
    return result


def _labels(content: Content) -> list[tuple[str, str, list[int]]]:
    """Images of each label and value by split, without values that no split has."""
    splits = content.ingest.splits if content.ingest else {}
    seen = dict.fromkeys(
        (label, value)
        for counts in splits.values()
        for label, values in counts.labels.items()
        for value in values
    )
    rows = [
        (label, value, [c.labels.get(label, {}).get(value, 0) for c in splits.values()])
        for label, value in seen
    ]
    return [row for row in rows if any(row[2])]


def _sites(content: Content) -> dict[str, Any]:
    """Images of each site by split, largest sites first."""
    by_split = content.ingest.sites if content.ingest else {}
    totals: dict[str, int] = {}
    for sites in by_split.values():
        for site, count in sites.items():
            totals[site] = totals.get(site, 0) + count
    names = sorted(totals, key=lambda site: (-totals[site], site))
    return {
        "splits": list(by_split),
        "names": names[:MAX_SITES],
        "left_out": max(0, len(names) - MAX_SITES),
    }


def _training(content: Content) -> list[dict[str, Any]]:
    stages = []
    for title, history in (("Pretraining", content.pretrain), ("Finetuning", content.finetune)):
        if history is None or not history.epochs:
            continue
        last = history.epochs[-1]
        seconds = sum(row.get("seconds") or 0 for row in history.epochs)
        speeds = [
            row["images_per_second"] for row in history.epochs if row.get("images_per_second")
        ]
        hidden = ("epoch", "seconds", "images_per_second", "learning_rate")
        stages.append(
            {
                "title": title,
                "history": history,
                "last": {name: value for name, value in last.items() if name not in hidden},
                "seconds": seconds,
                "images_per_second": sorted(speeds)[len(speeds) // 2] if speeds else None,
                "curves": _safe(charts.training_curves(history)),
            }
        )
    return stages


def _charts(content: Content, gate_settings: Mapping[str, Any]) -> dict[str, Any]:
    drawn: dict[str, Any] = dict.fromkeys(("roc", "reliability", "forest", "histograms"))
    if content.predictions is not None:
        targets = targets_of(content)
        drawn["roc"] = _safe(charts.roc_curves(content.predictions, targets))
        drawn["reliability"] = _safe(charts.reliability(content.predictions, targets))
    if content.gate is not None:
        overall = {
            domain: figures["auc"]
            for domain, figures in content.gate.metrics.items()
            if "auc" in figures
        }
        floor = (gate_settings.get("subgroups") or {}).get("min_auc")
        drawn["forest"] = _safe(charts.forest(overall, content.gate.subgroups, floor))
    if content.image_statistics is not None:
        drawn["histograms"] = _safe(charts.image_histograms(content.image_statistics))
    drawn["views"] = {
        stage: "data:image/png;base64," + base64.b64encode(sheet).decode("ascii")
        for stage, sheet in content.views.items()
    }
    return drawn


def _safe(svg: str | None) -> Markup | None:
    """Marks an SVG of `charts` as safe: its text was escaped when it was serialised."""
    return None if svg is None else Markup(svg)


def _shown_config(run_settings: Mapping[str, Any]) -> str:
    """The configuration as YAML, without the place of the key that hides identities."""
    shown = copy.deepcopy(dict(run_settings))
    data = shown.get("data")
    if isinstance(data, dict) and data.get("id_key_file"):
        data["id_key_file"] = "(not shown)"
    return yaml.safe_dump(shown, sort_keys=False, allow_unicode=True)
