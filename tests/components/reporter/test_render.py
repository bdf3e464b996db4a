"""The page says what the artifacts say, whatever is missing or hostile in them."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from components.data_gate.checks import outcomes
from components.model_gate.rules.outcomes import result
from components.reporter.page.content import Content
from components.reporter.page.page import render_page
from components.reporter.page.report_inputs import ReportInputs
from components.reporter.render import render_report
from schemas.documents.cards import ClassifierCard
from schemas.documents.data_gate import DataGateReport, FlaggedImage
from schemas.documents.gate import GateVerdict
from schemas.documents.history import TrainingHistory
from schemas.documents.ingest import FlaggedBy, IngestReport
from schemas.documents.provenance import Digests, Provenance, Reuse
from schemas.documents.run import RunReport
from schemas.documents.shift import (
    DomainAndLabel,
    DomainInRange,
    ImageFigure,
    Range,
    ShiftAnalysis,
    WorstSlice,
    WorstSlices,
)
from schemas.errors import InputError
from tests.components.reporter.conftest import TINY_PNG, ingest_report
from tests.made_documents import data_gate_report, gate_verdict, history, interval, run_settings
from tests.made_documents import ingest_report as ingested

HOSTILE = "<script>alert('x')</script>$a$"
VOID = {"meta", "br", "img", "link", "path", "use"}


class Page(HTMLParser):
    """Rows of every table as lists of cell texts, all text, and every tag with attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.text = ""
        self.tags: list[tuple[str, dict]] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data
        if any(tag in ("td", "th") for tag in self.open):
            self.rows[-1][-1] += data

    def row(self, first: str) -> list[str]:
        """The first row whose first cell starts with a text, without padding."""
        return next(
            [" ".join(cell.split()) for cell in row]
            for row in self.rows
            if row and row[0].strip().startswith(first)
        )


def read(folder: Path) -> tuple[str, Page]:
    html = (folder / "index.html").read_text(encoding="utf-8")
    return html, Page(html)


@pytest.fixture(scope="module")
def rendered(run: dict, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunReport]:
    folder = tmp_path_factory.mktemp("report")
    return folder, render_report(folder, ReportInputs(**run))


def test_figures_stand_beside_their_labels(rendered: tuple[Path, RunReport]) -> None:
    _, page = read(rendered[0])
    assert page.row("AUC") == ["AUC", "0.951", "0.931 to 0.971", "0.664", "0.644 to 0.684"]
    assert page.row("Specificity")[1] == "0.812"
    assert page.row("Calibration error")[1:3] == ["0.034", "0.014 to 0.054"]
    assert "0.933 to 0.969 (in distribution)" in page.text
    assert f"Worst group shifted: site {HOSTILE}, AUC 0.664 0.580 to 0.740." in page.text
    assert page.row("Patients")[1::2] == ["120", "45"]
    assert page.row("Images")[1::2] == ["240", "90"]
    splits = ["unlabeled", "train", "validation", "test", "shifted"]
    assert page.row("Split") == ["Split", *splits]
    assert page.row("opacity: 1") == ["opacity: 1", "—", "40", "—", "40", "40"]
    assert page.row("north") == ["north", "—", "140", "—", "140", "—"]
    assert page.row("Truncated") == ["Truncated", "3", "4, 17, 230"]
    assert page.row("Mean intensity") == [
        "Mean intensity",
        "0.402",
        "0.598",
        "Kolmogorov-Smirnov distance 0.918",
    ]
    assert page.row("overall") == ["overall", "0.871"]
    # With one target, TFMA's mean over targets is left out.
    assert page.row(f"site = {HOSTILE}")[1:] == ["0.664"]


def test_shortcuts_stand_in_a_table(rendered: tuple[Path, RunReport]) -> None:
    _, page = read(rendered[0])
    assert ["Site", "image size", "0.913"] in [[c.strip() for c in row] for row in page.rows]


def test_alike_pictures_are_shown_with_pseudonyms(rendered: tuple[Path, RunReport]) -> None:
    html, page = read(rendered[0])
    assert "Pictures that are alike across splits" in page.text
    for words in ("train, row 4", "test, row 99", "0a" * 16, "1b" * 16):
        assert words in page.text
    # What is no PNG is not shown.
    pictures = [attrs for tag, attrs in page.tags if tag == "img" and "row" in attrs["alt"]]
    assert [attrs["alt"] for attrs in pictures] == ["row 4"]
    assert pictures[0]["src"].startswith("data:image/png;base64,iVBOR")
    assert "alert(1)" not in html


def test_distances_stand_in_a_table(rendered: tuple[Path, RunReport]) -> None:
    _, page = read(rendered[0])
    assert page.row("train")[1:] == ["shifted", "image/mean", "Jensen-Shannon", "0.610", "0.200"]


def test_every_rule_is_listed_with_its_status(rendered: tuple[Path, RunReport]) -> None:
    _, page = read(rendered[0])
    assert page.row("AUC floor")[1:] == [
        "In distribution",
        "0.951",
        "0.931 to 0.971",
        "0.700",
        "pass",
    ]
    assert page.row("Site floor")[-1] == "fail"
    assert page.row("Age")[2:] == ["—", "", "0.600", "not enough data"]
    assert page.row("Regression")[-1] == "no baseline"
    assert page.row("Duplicates")[1] == "reported only"


def test_verdict_charts_and_views_are_there(rendered: tuple[Path, RunReport]) -> None:
    html, page = read(rendered[0])
    assert "Pushed" in page.text
    labels = [attrs.get("aria-label") for tag, attrs in page.tags if tag == "svg"]
    # Two histories, ROC, reliability, forest, net benefit, histograms.
    assert len(labels) == 7
    assert "Net benefit by threshold, in distribution and shifted" in labels
    assert html.count("data:image/png;base64,") == 2  # views and a thumbnail
    assert "intervals by patient: several images of one patient count together" in page.text
    assert "not enough data, 7 patients" in page.text


def test_operating_points_have_a_table_of_their_own(rendered: tuple[Path, RunReport]) -> None:
    html, page = read(rendered[0])
    head = page.row("screen: sensitivity 0.9 on validation images, threshold 0.234")[0]
    assert "chosen by 23 patients, among whom its sensitivity is 0.913 0.893 to 0.933" in head
    rows = [[" ".join(cell.split()) for cell in row] for row in page.rows]
    assert ["Sensitivity", "0.888", "0.868 to 0.908", "0.888", "0.868 to 0.908"] in rows
    assert ["PPV at 0.01", "0.061", "0.041 to 0.081", "0.061", "0.041 to 0.081"] in rows
    assert f"not judged: no validation rows of {HOSTILE}" in page.row("rule-in")[0]
    assert page.text.count("0.888") == 2
    assert "@screen" not in page.text
    assert '<a href="#thresholds">' in html


def test_page_stands_alone(rendered: tuple[Path, RunReport]) -> None:
    html, page = read(rendered[0])
    assert len(html) < 3_000_000
    assert "http:" not in html
    assert "https:" not in html
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.tags}
    references = [
        value
        for _, attrs in page.tags
        for name, value in attrs.items()
        if name in ("href", "src", "xlink:href")
    ]
    assert all(value.startswith(("#", "data:image/png;base64,")) for value in references)
    assert all(value.startswith("#") for value in re.findall(r"url\(([^)]*)\)", html))
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))


def test_hostile_names_are_text_and_identities_stay_out(rendered: tuple[Path, RunReport]) -> None:
    html, page = read(rendered[0])
    assert "<script" not in html
    assert page.text.count(HOSTILE) >= 4  # rules, groups, slices, sites
    card = (rendered[0] / "model_card.md").read_text(encoding="utf-8")
    for text in (html, card, (rendered[0] / "report.json").read_text(encoding="utf-8")):
        assert "-secret" not in text
        assert "/home/someone" not in text


def test_report_json_holds_what_the_summary_needs(rendered: tuple[Path, RunReport]) -> None:
    assert RunReport.read(rendered[0]) == rendered[1]
    report = json.loads((rendered[0] / "report.json").read_text(encoding="utf-8"))
    assert report["verdict"] == "pushed"
    assert report["blessed"] is True
    assert report["quarantined"] == 3
    assert report["pushed"]["encoder"] == "/pushed/encoder/1700000001"
    assert report["metrics"]["shifted"]["auc"]["value"] == pytest.approx(0.664)
    assert report["metrics"]["in_distribution"]["auc"]["patients"] == 120


def test_model_card(rendered: tuple[Path, RunReport]) -> None:
    card = (rendered[0] / "model_card.md").read_text(encoding="utf-8")
    assert "| AUC | 0.951 (0.931 to 0.971) | 0.664 (0.644 to 0.684) |" in card
    assert "| train | 140 | 70 |" in card
    assert "Patients in two splits: no patient is in two splits." in card
    assert "opacity: positive at a probability of 0.4375 or more" in card
    assert "or more; temperature 1.25\n" in card
    assert "calibration (temperature)" in card
    assert "| opacity | shifted | " in card
    assert "Not a medical device" in card
    assert "SYNTHETIC" not in card


@pytest.mark.parametrize("own", [140, 15])
def test_patients_that_nobody_knows_are_not_called_disjoint(
    run: dict, tmp_path: Path, own: int
) -> None:
    ingest = ingest_report()
    splits = {
        name: counts.model_copy(update={"own_patients": own})
        for name, counts in ingest.splits.items()
        if counts.examples
    }
    ingest.model_copy(update={"splits": splits}).write(tmp_path / "ingest")
    checks = [outcomes.patient_overlap([], "stop", 3 * own, 420)]
    data_gate_report(checks).write(tmp_path / "gate")
    parts = {"ingest_report": tmp_path / "ingest", "data_gate_report": tmp_path / "gate"}
    render_report(tmp_path, ReportInputs(**run | parts))
    card = (tmp_path / "model_card.md").read_text(encoding="utf-8")
    shown = "not known" if own == 140 else "70, not known of 15 images"
    assert f"| train | 140 | {shown} |" in card
    assert "Patients in two splits: not checked: " in card
    assert "as if each image whose patient nobody knows were a patient" in card
    page = read(tmp_path)[1]
    assert ["Patient overlap", "not checked", checks[0].message] in page.rows
    assert f"{3 * own} of 420 images have no known patient." in page.text
    everything = card + page.text
    assert "share no patients" not in everything
    assert "no patient is in two splits" not in everything


@pytest.mark.parametrize("pictures", ["all", "pairs", "none"])
def test_images_that_show_little(run: dict, tmp_path: Path, pictures: str) -> None:
    by = {"blurred": FlaggedBy(sites={HOSTILE: 7}, classes={"opacity=1": 7})}
    ingested = ingest_report().model_copy(
        update={"flags": {"blurred": 7}, "flagged_by": by, "pictures": pictures}
    )
    ingested.write(tmp_path / "ingest")
    worst = [FlaggedImage(flag="blurred", split="test", row=41, image="5e" * 16)]
    shown = {"worst": worst, "thumbnails": {"5e" * 16: TINY_PNG}} if pictures == "all" else {}
    data_gate_report([], **shown).write(tmp_path / "gate")
    parts = run | {"ingest_report": tmp_path / "ingest", "data_gate_report": tmp_path / "gate"}
    render_report(tmp_path / "report", ReportInputs(**parts))
    html, page = read(tmp_path / "report")
    # 7 of 140 images of the site, and of the 120 with the class.
    rows = [[" ".join(cell.split()) for cell in row] for row in page.rows]
    assert ["Blurred", "7", f"{HOSTILE} 7 (5.0 %)", "opacity=1 7 (5.8 %)"] in rows
    assert HOSTILE not in html
    images = html.count("data:image/png;base64,")
    # A grid of augmented views, and the worst image.
    assert images == {"all": 2, "pairs": 1, "none": 0}[pictures]
    assert ("test, row 41" in page.text) is (pictures == "all")
    assert ("data.private=false shows the worst ones" in page.text) is (pictures != "all")


def test_synthetic_data_is_called_so(run: dict, tmp_path: Path) -> None:
    ingest_report(synthetic=True).write(tmp_path / "ingest")
    sources = ReportInputs(ingest_report=tmp_path / "ingest", run_settings=run["run_settings"])
    render_report(tmp_path, sources)
    assert "SYNTHETIC DATA" in read(tmp_path)[1].text
    assert "SYNTHETIC DATA" in (tmp_path / "model_card.md").read_text(encoding="utf-8")


def test_a_run_without_anything_has_a_page(tmp_path: Path) -> None:
    report = render_report(
        tmp_path, ReportInputs(run_settings=run_settings(), failure="no space left")
    )
    assert report.verdict == "failed"
    assert report.reasons == ("no space left",)
    assert report.metrics == {}
    assert report.quarantined == 0
    assert "no space left" in read(tmp_path)[1].text


def test_an_evaluation_says_what_the_gate_thinks(run: dict, tmp_path: Path) -> None:
    settings = run["run_settings"] | {"push": {"enabled": False}}
    gate_verdict(False, ["shifted auc is low"]).write(tmp_path / "gate")
    render_report(tmp_path, ReportInputs(gate_report=tmp_path / "gate", run_settings=settings))
    text = read(tmp_path)[1].text
    assert "Evaluated, not pushed" in text
    assert "The gate would refuse this model" in text
    assert "shifted AUC is low" in text


PARTS = (
    "ingest_report",
    "data_gate_report",
    "pretrain_run",
    "finetune_run",
    "model",
    "evaluation",
    "predictions",
    "gate_report",
    "pushed_classifier",
)


@pytest.mark.parametrize("missing", PARTS)
def test_any_part_can_be_missing(
    run: dict, missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The charts have tests of their own; here they would only cost time.
    for chart in ("training_curves", "roc_curves", "forest", "image_histograms"):
        monkeypatch.setattr(f"components.reporter.page.charts.{chart}", lambda *_: None)
    monkeypatch.setattr("components.reporter.page.reliability.diagram", lambda *_: None)
    monkeypatch.setattr("components.reporter.page.thresholds.decision_curves", lambda *_: None)
    render_report(tmp_path, ReportInputs(**run | {missing: None}))
    assert "cxr-small" in read(tmp_path)[1].text
    card = (tmp_path / "model_card.md").read_text(encoding="utf-8")
    assert card.startswith("# Model card: cxr-small")


def test_unreadable_parts_are_named_not_fatal(run: dict, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for name in ("verdict.json", "history.json", "views.png", "predictions.parquet"):
        (broken / name).write_text("{half")
    sources = ReportInputs(
        gate_report=broken,
        pretrain_run=broken,
        predictions=broken,
        run_settings=run["run_settings"],
    )
    render_report(tmp_path, sources)
    text = read(tmp_path)[1].text
    assert "could not be read" in text
    for name in ("verdict.json", "history.json", "views.png", "predictions.parquet"):
        assert name in text


def test_an_inconclusive_verdict_and_its_warnings(run: dict, tmp_path: Path) -> None:
    reason = "shifted auc_by_patient: lower bound 0.600 is below the floor 0.65"
    warning = f"shifted, site={HOSTILE} auc: lower bound 0.500 is below the floor 0.6"
    rules = [
        result(name, where, "auc", interval(0.7), 0.65, "inconclusive", message, effect)
        for name, where, message, effect in (
            ("auc floor by patient", "shifted", reason, "inconclusive"),
            ("subgroup floor", f"shifted, site={HOSTILE}", warning, "warn"),
        )
    ]
    verdict = gate_verdict(False, [reason], rules).model_copy(
        update={"outcome": "inconclusive", "warnings": (warning,)}
    )
    parts = run | {"gate_report": verdict, "pushed_classifier": None, "pushed_encoder": None}
    report = render_report(tmp_path, ReportInputs(**parts))
    assert (report.verdict, report.reasons, report.blessed) == ("inconclusive", (reason,), False)
    html, page = read(tmp_path)
    assert "Not enough data to judge, nothing pushed" in page.text
    assert "shifted AUC by patient: lower bound 0.600 is below the floor 0.65" in page.text
    assert page.row("AUC floor by patient")[-1] == "inconclusive"
    assert page.row("Subgroup floor")[-1] == "inconclusivewarning only"
    assert f"shifted, site={HOSTILE} AUC: lower bound 0.500" in page.text
    assert HOSTILE not in html
    card = (tmp_path / "model_card.md").read_text(encoding="utf-8")
    assert "Warning of the gate: shifted, site=\\<script" in card


def test_the_look_at_the_test_set_and_what_was_judged(run: dict, tmp_path: Path) -> None:
    digests = {"predictions": "a", "test_set": "b", "scores": "c", "model": "d", "policy": "e"}
    made = Provenance(
        digests=Digests(**{name: one * 64 for name, one in digests.items()}),
        version="1.2.3",
        code="f" * 64,
        seed=7,
        judged_at="2026-01-02T03:04:05Z",
        libraries={},
        task={},
        subgroups=(),
    )
    look = Reuse(
        counted=True,
        refused=False,
        look=3,
        rule="divide",
        alpha=0.05 / 3,
        confidence=1 - 0.05 / 3,
        message="this is the 3rd model judged on this test set; intervals at 98.3 %",
        entry="",
    )
    verdict = GateVerdict.read(run["gate_report"]).model_copy(
        update={"provenance": made, "reuse": look}
    )
    render_report(tmp_path, ReportInputs(**run | {"gate_report": verdict}))
    _, page = read(tmp_path)
    assert "This is the 3rd model judged on this test set; intervals at 98.3 %." in page.text
    assert "Judged at 2026-01-02T03:04:05Z by version 1.2.3, seed 7." in page.text
    shown = (
        f"the predictions {'a' * 12}, the test set {'b' * 12}, the scores {'c' * 12}, "
        f"the model {'d' * 12}, the policy {'e' * 12}."
    )
    assert shown in page.text
    assert "a" * 13 not in page.text
    # The level in use, not the policy's.
    assert "The ranges are 98.333 % intervals by patient" in page.text


DOCUMENTS = {
    "ingest_report": IngestReport,
    "data_gate_report": DataGateReport,
    "pretrain_run": TrainingHistory,
    "finetune_run": TrainingHistory,
    "model": ClassifierCard,
    "gate_report": GateVerdict,
}


@pytest.mark.parametrize("part", DOCUMENTS)
@pytest.mark.parametrize("change", ["unknown", "missing", "version"])
def test_a_document_of_other_fields_is_refused(run: dict, part: str, change: str, tmp_path) -> None:
    """A page without the part would look like a run in which it was not made."""
    kind = DOCUMENTS[part]
    content = json.loads((run[part] / kind.FILE).read_text(encoding="utf-8"))
    field = [name for name, field in kind.model_fields.items() if field.is_required()][-1]
    changed = {
        "unknown": content | {"added_later": 1},
        "missing": {name: value for name, value in content.items() if name != field},
        "version": content | {"version": 99},
    }[change]
    path = tmp_path / kind.FILE
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(changed), encoding="utf-8")
    with pytest.raises(InputError) as refusal:
        render_report(tmp_path / "report", ReportInputs(**run | {part: tmp_path}))
    told = {
        "unknown": "unknown field 'added_later'",
        "missing": f"missing field '{field}'",
        "version": "version 99 of a",
    }[change]
    assert str(refusal.value).startswith(str(path))
    assert told in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "report").exists()


@pytest.mark.slow
def test_the_upstream_training_and_its_images_are_shown(run: dict, tmp_path: Path) -> None:
    history("upstream", [{"loss": 2.0, "validation_accuracy": 0.4375}]).write(tmp_path)
    kept = {"train": [0.0] * 4000, "validation": [1.0] * 400, "test": [0.0] * 600}
    lost = dict.fromkeys((1, 2, 3), "unreadable")
    natural = ingested(kept, quarantined=lost, source="tfds").write(tmp_path / "natural").parent
    sources = ReportInputs(**run, upstream_run=tmp_path, upstream_ingest_report=natural)
    render_report(tmp_path, sources)
    text = read(tmp_path)[1].text
    assert "Upstream training, on natural images" in text
    assert "validation accuracy 0.438" in text
    assert (
        "5\u202f003 images read from source “tfds”, 5\u202f000 kept, 3 quarantined: unreadable 3"
        in text
    )
    assert "Trained on 4\u202f000, the epoch chosen on 400" in text
    card = (tmp_path / "model_card.md").read_text(encoding="utf-8")
    assert "First weights: supervised training on labeled images from source tfds" in card


def test_what_was_found_under_shift(tmp_path: Path) -> None:
    inside = DomainInRange(
        share=0.25, patients=40, auc=0.71, lower=0.61, upper=0.81, status="judged"
    )
    outside = DomainInRange(
        share=0.0, patients=0, auc=None, lower=None, upper=None, status="not_enough_data"
    )
    slices = WorstSlices(
        slices=(
            WorstSlice(
                domain="shifted",
                where={"site": HOSTILE, "subgroup/sex": "F"},
                patients=31,
                examples=62,
                auc=0.512,
                rest=0.803,
                p_value=0.004,
            ),
        ),
        looked_at=14,
        too_small=3,
    )
    mean = ImageFigure(
        figure="mean",
        drift=0.4,
        parts=(
            Range(start=None, end=0.3, in_distribution=inside, shifted=outside),
            Range(start=0.3, end=None, in_distribution=outside, shifted=inside),
        ),
    )
    probe = DomainAndLabel(
        images=80,
        domain=0.97,
        label_in_distribution=None,
        label_shifted=None,
        domain_by_label_probe=None,
        label_by_domain_probe=None,
        confusion=0.11,
    )
    shift = ShiftAnalysis(worst_slices=slices, image_figures=(mean,), probes={"opacity": probe})
    assert ShiftAnalysis.read_file(shift.write(tmp_path)) == shift
    content = Content(
        verdict="evaluated", reasons=(), run_settings=run_settings(), versions={}, shift=shift
    )
    page = Page(render_page(content))
    assert page.row("Shifted") == [
        "Shifted",
        f"site {HOSTILE}, sex F",
        "0.512",
        "0.803",
        "0.004",
        "31",
        "62",
    ]
    assert "14 slices, 3 more held too few patients" in page.text
    in_distribution = ["0.25", "0.710", "0.610 to 0.810"]
    assert page.row("Mean intensity")[1:5] == ["below 0.300", *in_distribution]
    assert page.row("opacity")[1:4] == ["0.970", "—", "—"]
