"""The inputs of a report, from the executor or from a run that stops early."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from components.reporter.page.tfma_slices import SliceMetric
from schemas.documents.data_gate import DataGateReport
from schemas.documents.run import Node, Pushed

Folder = str | Path | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReportInputs:
    """The outputs of a run; those it did not produce are None.

    Attributes:
      run_settings: The whole resolved configuration.
      ingest_report: Folder of the IngestReport.
      data_gate_report: Folder of the DataGateReport, or the report that DataGateStopped carries.
      upstream_ingest_report: Folder of UpstreamExampleGen's IngestReport.
      upstream_run: Folder of the Upstream Trainer's ModelRun.
      pretrain_run: Folder of the Pretrainer's ModelRun.
      finetune_run: Folder of the Finetuner's ModelRun.
      model: Folder of the classifier's SavedModel (its card.json is read, never the model).
      evaluation: TFMA's metrics.
      predictions: Folder of the Predictor's Examples (its predictions.parquet is read).
      gate_report: Folder of the GateReport.
      pushed_classifier: Where the classifier was pushed; None if it was not.
      pushed_encoder: Where the encoder was pushed; None if it was not.
      code_digest: Digest of the reporter's code, shown as lineage.
      nodes: The nodes of this run, if the runner knows them.
      failure: Why the run failed, in plain words; None if it did not.
    """

    run_settings: Mapping[str, Any]
    ingest_report: Folder = None
    data_gate_report: DataGateReport | Folder = None
    upstream_ingest_report: Folder = None
    upstream_run: Folder = None
    pretrain_run: Folder = None
    finetune_run: Folder = None
    model: Folder = None
    evaluation: Sequence[SliceMetric] | None = None
    predictions: Folder = None
    gate_report: Folder = None
    pushed_classifier: str | None = None
    pushed_encoder: str | None = None
    code_digest: str = ""
    nodes: Sequence[Node] | None = None
    failure: str | None = None

    @property
    def pushed(self) -> Pushed:
        """Where the models were pushed."""
        return Pushed(classifier=self.pushed_classifier, encoder=self.pushed_encoder)
