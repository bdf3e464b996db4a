"""A finished run's artifacts: small, with a hostile site name in every part."""

import base64
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from components.data_gate.checks import outcomes
from components.data_gate.checks.findings import Look, NearDuplicates, Pair, Shared
from components.model_gate.policy.operating_points import OperatingPoint
from components.model_gate.rules.evidence import Baseline
from components.model_gate.rules.groups import Group
from components.model_gate.rules.operating_points import Chosen
from components.model_gate.rules.outcomes import Lack, result
from components.reporter.page.tfma_slices import SliceMetric
from components.statistics.intervals import Interval
from components.statistics.thresholds.chosen import Threshold
from components.statistics.thresholds.net_benefit import Curve
from schemas.documents.data_gate import DataGateReport, Distance, DomainShift, Shortcut
from schemas.documents.gate import GateVerdict, Serving
from schemas.documents.ingest import IngestReport
from tests import made_documents

HOSTILE = "<script>alert('x')</script>$a$"
DOMAINS = {"validation": "in_distribution", "test": "in_distribution", "shifted": "shifted"}


def metrics(auc: float, patients: int) -> dict[str, Interval]:
    """Metrics of one domain; each interval reaches 0.02 to both sides."""
    values = {
        "auc": auc,
        "sensitivity": 0.9,
        "specificity": 0.812,
        "ppv": 0.7,
        "brier": 0.11,
        "calibration_error": 0.034,
    }
    values |= {"sensitivity@screen": 0.888, "ppv_at_0.01@screen": 0.061, "brier@screen": 0.5}
    return {name: made_documents.interval(value, 0.02, patients) for name, value in values.items()}


def curve(target: str, model: tuple[float, ...], treat_all: tuple[float, ...]) -> Curve:
    """Net benefit at thresholds from 0.1 in steps of 0.1; bounds 0.01 to both sides."""
    bounds = tuple((value, value - 0.01, value + 0.01) for value in model)
    grid = tuple(round(0.1 * place, 1) for place in range(1, len(model) + 1))
    return Curve(target, 0.3, False, grid, bounds, treat_all, bounds)


def predictions() -> pd.DataFrame:
    """210 scored images; a positive scores higher, less so in the shifted domain."""
    random = np.random.default_rng(7)
    tables = []
    for split, domain in DOMAINS.items():
        truth = (np.arange(70) % 3 == 0).astype(float)
        noise = 0.2 if domain == "in_distribution" else 0.45
        score = np.clip(0.25 + 0.5 * truth + random.normal(0, noise, 70), 0.001, 0.999)
        tables.append(
            pd.DataFrame(
                {
                    "image/id": [f"image-secret-{split}-{i}" for i in range(70)],
                    "patient_id": [f"patient-secret-{i // 2}" for i in range(70)],
                    "split": split,
                    "domain": domain,
                    "site": HOSTILE,
                    "label/opacity": truth,
                    "label/opacity/weight": np.where(np.arange(70) < 65, 1.0, 0.0),
                    "prediction/opacity": score,
                    "decision/opacity": (score >= 0.5).astype(float),
                    "uncalibrated/opacity": np.clip(score + 0.1, 0, 0.999),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def gate_report() -> GateVerdict:
    """A verdict with a passed, a failed, an undecidable and a waived rule."""
    nan = float("nan")
    passed, undecided = metrics(0.951, 120)["auc"], Interval(nan, nan, nan, 7, 9)
    low = Interval(0.41, nan, nan, 45, 90)
    return made_documents.gate_verdict(
        rules=[
            result("auc floor", "in_distribution", "auc", passed, 0.7, "pass", "0.931 >= 0.7"),
            result("site floor", HOSTILE, "auc", low, 0.6, "fail", ""),
            result("age", "80+", "auc", undecided, 0.6, "not_enough_data", ""),
            result("regression", "", "auc", None, None, "not_required", "no baseline"),
        ],
        metrics={"in_distribution": metrics(0.951, 120), "shifted": metrics(0.664, 45)},
        groups=[
            Group("shifted", "site", HOSTILE, Interval(0.664, 0.58, 0.74, 45, 90), "judged"),
            Group("in_distribution", "age", "80+", undecided, "not_enough_data"),
        ],
        delong={"in_distribution": Interval(0.951, 0.933, 0.969, 120, 240)},
        points=[
            Chosen(
                OperatingPoint(name="screen", at_sensitivity=0.9),
                {
                    "opacity": Threshold(
                        0.2345, 23, made_documents.interval(0.913), made_documents.interval(0.71)
                    )
                },
            ),
            Chosen(
                OperatingPoint(name="rule-in", at_specificity=0.95),
                {},
                Lack(f"no validation rows of {HOSTILE}", absent=True),
            ),
        ],
        curves={"shifted": [curve("opacity", (0.2, 0.15), (0.2, 0.1))]},
        gap=Interval(0.287, 0.21, 0.35, 165, 330),
        baseline=Baseline("3", differences={"shifted": Interval(-0.012, -0.04, 0.01, 45, 90)}),
        serving=Serving(
            ok=True,
            message="Same predictions.",
            latency_ms=12.5,
            size_bytes=3_200_000,
            max_difference=1e-7,
        ),
    )


def ingest_report(*, synthetic: bool = False) -> IngestReport:
    """Counts of an ingestion that left three images out."""
    labels = [0.0] * 90 + [1.0] * 40 + [None] * 10
    return made_documents.ingest_report(
        dict.fromkeys(("train", "test", "shifted"), labels),
        sites={"train": "north", "test": "north", "shifted": HOSTILE},
        quarantined=dict.fromkeys((4, 17, 230), "truncated"),
        source="synthetic" if synthetic else "manifest",
    )


TINY_PNG = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a49444154789c63"
        "6000000002000148afa4710000000049454e44ae426082"
    )
).decode()


def distance(feature: str, value: float) -> Distance:
    """A distance of the shifted split from train."""
    return Distance(
        split="shifted", feature=feature, measure="Jensen-Shannon", value=value, threshold=0.2
    )


def data_gate_report() -> DataGateReport:
    """Checks of which two only report what they found."""
    looks = (Look("train", 1, (4,), ("0a" * 16,)), Look("test", 1, (99,), ("1b" * 16,)))
    checks = [
        outcomes.patient_overlap([], "stop"),
        outcomes.duplicates(
            [Shared("digest", {"train": 1, "test": 1}, (5, 98), ("2c" * 16, "3d" * 16))], "report"
        ),
        outcomes.near_duplicates(NearDuplicates(1, (Pair(3, looks),)), "report"),
        outcomes.anomalies([], (), (), "stop", {}),
    ]
    return made_documents.data_gate_report(
        checks,
        thumbnails={"0a" * 16: TINY_PNG, "1b" * 16: '"><script>alert(1)</script>'},
        distances={
            "domain_drift": [distance("image/mean", 0.61), distance("image/std", 0.02)],
            "previous_drift": [],
        },
        shortcuts=[Shortcut(target="site", figures="image size", auc=0.913, images=900)],
        drift=[
            DomainShift(feature="image/mean", statistic=statistic, value=value)
            for statistic, value in (
                ("mean in_distribution", 0.402),
                ("mean shifted", 0.598),
                ("kolmogorov-smirnov", 0.918),
            )
        ],
    )


def settings() -> dict:
    """The resolved configuration."""
    return made_documents.run_settings(
        "data.source=manifest",
        "data.root=/data/films",
        "data.id_key_file=/home/someone/key",
        preset="cxr-small",
    )


def write_run(folder: Path) -> dict:
    """Writes every artifact and returns the arguments of `ReportInputs`."""
    places = {
        name: folder / name
        for name in ("ingest", "data_gate", "pretrain", "finetune", "model", "predictions", "gate")
    }
    for place in places.values():
        place.mkdir(parents=True)

    ingest_report().write(places["ingest"])
    random = np.random.default_rng(3)
    pd.DataFrame(
        {
            "image_id": [f"image-secret-{i}" for i in range(60)],
            "patient_id": [f"patient-secret-{i}" for i in range(60)],
            "domain": ["in_distribution"] * 40 + ["shifted"] * 20,
            "mean": np.r_[random.normal(0.4, 0.05, 40), random.normal(0.6, 0.05, 20)],
        }
    ).to_parquet(places["ingest"] / "index-00000.parquet")
    data_gate_report().write(places["data_gate"])
    for stage, metric in (("pretrain", "contrastive_top1"), ("finetune", "validation_auc")):
        measured = [{"loss": 4 / e, metric: 1 - 0.6 / e} for e in range(1, 6)]
        made_documents.history(stage, measured).write(places[stage])
    pixels = random.integers(0, 255, (64, 2000), dtype=np.uint8)
    Image.fromarray(pixels).save(places["pretrain"] / "views.png")
    card = made_documents.classifier_card(threshold=0.4375, temperature=1.25)
    card.write(places["model"])
    predictions().to_parquet(places["predictions"] / "predictions.parquet")
    gate_report().write(places["gate"])
    return {
        "ingest_report": places["ingest"],
        "data_gate_report": places["data_gate"],
        "pretrain_run": places["pretrain"],
        "finetune_run": places["finetune"],
        "model": places["model"],
        "evaluation": [
            SliceMetric("overall", "opacity", "auc", 0.8714),
            SliceMetric(f"site = {HOSTILE}", "opacity", "auc", 0.6641),
            SliceMetric(f"site = {HOSTILE}", "", "auc", 0.111),
        ],
        "predictions": places["predictions"],
        "gate_report": places["gate"],
        "pushed_classifier": "/pushed/classifier/1700000000",
        "pushed_encoder": "/pushed/encoder/1700000001",
        "run_settings": settings(),
        "code_digest": "0123456789abcdef" * 4,
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """Arguments of `ReportInputs` for a run that pushed."""
    return write_run(tmp_path_factory.mktemp("run"))
