"""The content of a report: artifacts read into one typed object of optional parts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from components.image_example_gen.sources.spans import expression
from components.reporter.page.report_inputs import Folder, ReportInputs
from components.reporter.page.tfma_slices import SliceMetric
from schemas.documents.cards import ClassifierCard
from schemas.documents.data_gate import DataGateReport
from schemas.documents.document import Damaged, Document
from schemas.documents.gate import GateVerdict
from schemas.documents.history import TrainingHistory
from schemas.documents.ingest import IngestReport
from schemas.documents.run import Node, Pushed, Verdict
from schemas.documents.shift import ShiftAnalysis
from schemas.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

DocumentType = TypeVar("DocumentType", bound=Document)

NOT_PUSHED = Pushed(classifier=None, encoder=None)
# An augmentation grid is shrunk to this width: views stay visible, and the page small.
VIEWS_WIDTH = 960


@dataclasses.dataclass(frozen=True)
class Content:
    """Everything that the page and the model card show."""

    verdict: Verdict
    reasons: tuple[str, ...]
    run_settings: Mapping[str, Any]
    versions: Mapping[str, str]
    code_digest: str = ""
    ingest: IngestReport | None = None
    data_gate: DataGateReport | None = None
    upstream_ingest: IngestReport | None = None
    upstream: TrainingHistory | None = None
    pretrain: TrainingHistory | None = None
    finetune: TrainingHistory | None = None
    views: Mapping[str, bytes] = dataclasses.field(default_factory=dict)
    card: ClassifierCard | None = None
    slices: tuple[SliceMetric, ...] = ()
    predictions: pd.DataFrame | None = None
    image_statistics: pd.DataFrame | None = None
    shift: ShiftAnalysis | None = None
    gate: GateVerdict | None = None
    pushed: Pushed = NOT_PUSHED
    nodes: tuple[Node, ...] = ()
    unreadable: tuple[str, ...] = ()


class Reader:
    """Reads parts, and records which ones could not be read."""

    def __init__(self) -> None:
        self.unreadable: list[str] = []

    def document(
        self, kind: type[DocumentType], source: str | Path | DocumentType | None
    ) -> DocumentType | None:
        """A document of an artifact's folder (or as it is), None when absent.

        Raises:
          InputError: It is of another version or has other fields: the page would say less than
            was found.
        """
        if source is None or isinstance(source, Document):
            return source
        try:
            return kind.read(source)
        except FileNotFoundError:
            return None
        except (OSError, Damaged):
            self.unreadable.append(kind.FILE)
            return None

    def views(self, folder: str | Path | None) -> bytes | None:
        """The augmentation grid as a new PNG, without the file's metadata."""
        import io

        from PIL import Image

        path = Path(folder) / "views.png" if folder else None
        if path is None or not path.is_file():
            return None
        try:
            with Image.open(path) as image:
                image_grid = image.convert("RGB")
        except (OSError, ValueError):
            self.unreadable.append("views.png")
            return None
        if image_grid.width > VIEWS_WIDTH:
            height = max(1, round(image_grid.height * VIEWS_WIDTH / image_grid.width))
            image_grid = image_grid.resize((VIEWS_WIDTH, height), Image.Resampling.LANCZOS)
        gray = image_grid.convert("L")
        same = all(band.tobytes() == gray.tobytes() for band in image_grid.split())
        buffer = io.BytesIO()
        (gray if same else image_grid).save(buffer, format="PNG", optimize=True)
        return buffer.getvalue()

    def predictions(self, folder: str | Path | None) -> pd.DataFrame | None:
        """The Predictor's table, without columns that identify images."""
        path = Path(folder) / "predictions.parquet" if folder else None
        if path is None or not path.is_file():
            return None
        prefixes = ("label/", "prediction/", "decision/", "uncalibrated/")
        return self._table(
            path, lambda name: name in ("split", "domain") or name.startswith(prefixes)
        )

    def image_statistics(self, folder: Folder) -> pd.DataFrame | None:
        """The numeric image columns of the ingestion's index, by domain."""
        import pandas as pd

        if folder is None:
            return None
        wanted = {"domain", "height", "width", "mean", "std"}
        tables = [
            self._table(path, wanted.__contains__)
            for path in sorted(Path(folder).glob("index-*.parquet"))
        ]
        tables = [table for table in tables if table is not None and "domain" in table]
        return pd.concat(tables, ignore_index=True) if tables else None

    def shift(self, predictions: str | Path | None, images: Folder) -> ShiftAnalysis | None:
        """The analysis under shift; None without predictions."""
        from components.shift_analysis.analysis import INDEX, PREDICTIONS, analyze

        if predictions is None or not (Path(predictions) / PREDICTIONS).is_file():
            return None
        indexed = images is not None and any(Path(images).glob(INDEX))
        try:
            return analyze(str(predictions), str(images) if indexed else "")
        except InputError:
            self.unreadable.append("tables of the shift")
            return None

    def _table(self, path: Path, keep: Any) -> pd.DataFrame | None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            names = [name for name in pq.read_schema(path).names if keep(name)]
            return pq.read_table(path, columns=names).to_pandas()
        except (OSError, pa.ArrowException):
            self.unreadable.append(path.name)
            return None


def read_content(sources: ReportInputs, versions: Mapping[str, str]) -> Content:
    """Reads artifact folders (or mappings) into a Content."""
    reader = Reader()
    settings = sources.run_settings
    data_gate = reader.document(DataGateReport, sources.data_gate_report)
    gate = reader.document(GateVerdict, sources.gate_report)
    verdict, reasons = judge(data_gate, gate, sources.pushed, settings, sources.failure)
    trained = (
        ("upstream training", sources.upstream_run),
        ("pretraining", sources.pretrain_run),
        ("finetuning", sources.finetune_run),
    )
    ingest = reader.document(IngestReport, sources.ingest_report)
    views = {
        stage: image_grid for stage, run in trained if (image_grid := reader.views(run)) is not None
    }
    if ingest is not None and ingest.pictures == "none":
        views = {}
    return Content(
        verdict=verdict,
        reasons=tuple(hide_data_paths(reason, settings) for reason in reasons),
        run_settings=settings,
        versions=versions,
        code_digest=sources.code_digest,
        ingest=ingest,
        data_gate=data_gate,
        upstream_ingest=reader.document(IngestReport, sources.upstream_ingest_report),
        upstream=reader.document(TrainingHistory, sources.upstream_run),
        pretrain=reader.document(TrainingHistory, sources.pretrain_run),
        finetune=reader.document(TrainingHistory, sources.finetune_run),
        views=views,
        card=reader.document(ClassifierCard, sources.model),
        slices=tuple(sources.evaluation or ()),
        predictions=reader.predictions(sources.predictions),
        image_statistics=reader.image_statistics(sources.ingest_report),
        shift=reader.shift(sources.predictions, sources.ingest_report),
        gate=gate,
        pushed=sources.pushed,
        nodes=tuple(sources.nodes or ()),
        unreadable=tuple(reader.unreadable),
    )


def judge(
    data_gate: DataGateReport | None,
    gate: GateVerdict | None,
    pushed: Pushed,
    run_settings: Mapping[str, Any],
    failure: str | None,
) -> tuple[Verdict, tuple[str, ...]]:
    """The run's verdict and its reasons in words, from the earliest stage that stopped it."""
    stopped = [check.message for check in (data_gate.checks if data_gate else ()) if check.stops]
    if data_gate is not None and not data_gate.passed:
        return "stopped_by_data_gate", tuple(stopped)
    if failure is not None:
        return "failed", (failure,)
    if gate is None:
        return "evaluated", ("The model gate did not run, so no model was judged or pushed.",)
    if gate.blessed and pushed.classifier:
        return "pushed", gate.reasons
    if not run_settings["push"]["enabled"]:
        return "evaluated", gate.reasons
    if gate.blessed:
        return "evaluated", (*gate.reasons, "The model was blessed; no pusher ran.")
    return ("inconclusive" if gate.outcome == "inconclusive" else "not_blessed"), gate.reasons


def hide_data_paths(text: str, run_settings: Mapping[str, Any]) -> str:
    """Cuts paths below the data's folders: they can name images or patients."""
    import re

    data = (run_settings["data"], run_settings["upstream"]["data"])
    for source in [source for one in data for source in (one, *one["parts"])]:
        if root := source["root"].rstrip("/"):
            text = re.sub(f"({expression(root)})" + r"/[^\s'\",;:)]+", r"\1/…", text)
    return text
