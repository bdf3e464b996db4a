"""Documents of plain values, each made by the component that writes it in a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from components.data_gate import pictures
from components.data_gate.checks import outcomes
from components.image_example_gen.decoding.images import Rejected
from components.image_example_gen.rows.units import PlannedImage
from components.image_example_gen.settings.data import DataSettings
from components.image_example_gen.writing.ingest_report import Summary, build_report
from components.model_gate.policy.settings import GateSettings
from components.model_gate.rules.domain_rules import Verdict
from components.model_gate.rules.evidence import Baseline, Evidence
from components.model_gate.rules.verdict_document import verdict_document
from components.statistics.intervals import Interval
from pipeline.config.config import load_config
from schemas.documents.cards import (
    CalibrationMetrics,
    CardCalibration,
    ClassifierCard,
    Contrastive,
    EncoderCard,
    Finetuning,
    FirstWeights,
)
from schemas.documents.data_gate import Check, DataGateReport
from schemas.documents.gate import GateVerdict, Rule
from schemas.documents.history import Epoch, TrainingHistory
from schemas.documents.ingest import IngestReport
from trainer_modules.settings import FinetuneSettings, ModelSettings, TaskSettings

TASK = TaskSettings(kind="binary", labels=("opacity",))


def ingest_report(
    kept: Mapping[str, Sequence[float | None]],
    *,
    sites: Mapping[str, str] = {},
    quarantined: Mapping[int, str] = {},
    source: str = "manifest",
) -> IngestReport:
    """What ImageExampleGen writes.

    Args:
        kept: Labels of the images of each split; two images are of one patient.
        sites: Site of each split.
        quarantined: Reason by row.
        source: Where the images are from.
    """
    summary = Summary()
    for split, labels in kept.items():
        for number, label in enumerate(labels):
            summary.keep(_planned(number, sites.get(split, ""), label), split)
    for row, reason in quarantined.items():
        summary.reject(_planned(row, "", None), Rejected(reason, "file-secret.png"))
    patients = Counter({split: -(-len(labels) // 2) for split, labels in kept.items()})
    data = DataSettings() if source == "synthetic" else DataSettings(source=source, root="/data")
    return build_report(summary, patients, data, TASK, {})


def _planned(row: int, site: str, label: float | None) -> PlannedImage:
    return PlannedImage(
        number=row,
        image="file-secret.png",
        image_id="image-secret",
        patient_id="patient-secret",
        study_id="",
        slide_id="",
        site=site,
        domain="in_distribution",
        labels=(label,),
        subgroups=(),
    )


def data_gate_report(checks: Sequence[Check], **shown: Any) -> DataGateReport:
    """What DataGate writes; pairs follow from the checks, the rest is empty unless given."""
    nothing = {"drift": (), "distances": {}, "shortcuts": (), "worst": (), "thumbnails": {}}
    return outcomes.to_report(checks, nothing | {"pairs": pictures.pairs(checks, 10)} | shown)


def history(stage: str, measured: Sequence[Mapping[str, float]], **known: Any) -> TrainingHistory:
    """What a trainer writes of epochs that took 2.5 s each."""
    speed = {"loss": 1.0, "learning_rate": 0.1, "seconds": 2.5, "images_per_second": 300.0}
    return TrainingHistory(
        stage=stage,
        epochs=tuple(Epoch(epoch=e, **speed | dict(m)) for e, m in enumerate(measured, start=1)),
        parameters=912345,
        **{"resumed_from_epoch": None, "best_epoch": None} | known,
    )


def encoder_card(image_size: int = 32, seed: int = 3, **model: Any) -> EncoderCard:
    """What the Pretrainer writes beside an encoder."""
    settings = ModelSettings(image_size=image_size, **model)
    return EncoderCard(
        model=settings.model_dump(mode="json"),
        feature_dim=512,
        image_size=image_size,
        trained_on=Contrastive(
            splits=("unlabeled", "train"),
            images=48,
            pairs="image",
            epochs=2,
            kept_epoch=2,
            seed=seed,
            initialised=FirstWeights(source="random"),
            probe_auc=0.8,
            neighbour_auc=None,
        ),
    )


def classifier_card(
    targets: Sequence[str] = ("opacity",), threshold: float = 0.5, temperature: float = 1.0
) -> ClassifierCard:
    """What the Finetuner writes beside a classifier."""
    finetune = FinetuneSettings()
    by_target = dict.fromkeys(targets, CalibrationMetrics(ece=0.05, brier=0.1, examples=40))
    return ClassifierCard(
        targets=targets,
        thresholds=dict.fromkeys(targets, threshold),
        temperature=dict.fromkeys(targets, temperature),
        calibration=CardCalibration(
            method="temperature",
            scale=dict.fromkeys(targets, 1 / temperature),
            offset=dict.fromkeys(targets, 0.0),
            split="validation",
            before=by_target,
            after=by_target,
        ),
        model=ModelSettings().model_dump(mode="json"),
        feature_dim=512,
        image_size=64,
        trained_on=Finetuning(
            method="supervised, full",
            splits=("train",),
            images=48,
            patients=24,
            label_fraction=1.0,
            recipe="explicit",
            optimizer=finetune.optimizer.model_dump(mode="json"),
            chosen_by_search=(),
            batch_size=16,
            mixup=0.0,
            class_weights="none",
            epochs=2,
            best_epoch=1,
            selected_by="auc",
            validation_auc=0.9,
            operating_point=finetune.operating_point.model_dump(mode="json"),
            seed=3,
        ),
    )


def interval(value: float, margin: float = 0.02, patients: int = 40) -> Interval:
    """An interval that reaches as far to both sides; two images a patient."""
    return Interval(value, value - margin, value + margin, patients, 2 * patients)


def gate_verdict(
    blessed: bool = True,
    reasons: Sequence[str] = (),
    rules: Sequence[Rule] = (),
    *,
    metrics: Mapping[str, Mapping[str, Interval]] = {},
    **measured: Any,
) -> GateVerdict:
    """What ModelGate writes of a verdict and of what was measured."""
    nothing = {"groups": (), "gap": None, "baseline": Baseline(), "serving": None}
    evidence = Evidence(
        metrics=metrics,
        evaluator_blessed=True,
        records=100,
        not_probabilities=0,
        **nothing | measured,
    )
    outcome = "blessed" if blessed else "refused"
    return verdict_document(Verdict(outcome, reasons, rules), evidence, GateSettings())


def run_settings(*overrides: str, preset: str = "demo", **changes: Any) -> dict[str, Any]:
    """The resolved configuration of a run, as it reaches the reporters."""
    config = load_config(preset=preset, overrides=overrides)
    return config.model_dump(mode="json") | changes
