"""A finished run's artifacts: small, with a hostile site name in every part."""

import base64
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from components.data_gate.checks import outcomes
from components.data_gate.checks.findings import Look, NearDuplicates, Pair, Shared
from schemas.documents.data_gate import DataGateReport, Distance, Drift, Shortcut
from schemas.documents.ingest import IngestReport
from tests import made_documents

HOSTILE = "<script>alert('x')</script>$a$"
DOMAINS = {"validation": "in_distribution", "test": "in_distribution", "shifted": "shifted"}


def figures(auc: float, patients: int) -> dict:
    """Metrics of one domain; each interval reaches 0.02 to both sides."""
    values = {
        "auc": auc,
        "sensitivity": 0.9,
        "specificity": 0.812,
        "ppv": 0.7,
        "brier": 0.11,
        "ece": 0.034,
    }
    return {
        name: {
            "value": value,
            "lower": value - 0.02,
            "upper": value + 0.02,
            "patients": patients,
            "examples": 2 * patients,
        }
        for name, value in values.items()
    }


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


def gate_report() -> dict:
    """A verdict with a passed, a failed, an undecidable and a waived rule."""
    rule = {"lower": None, "upper": None, "threshold": 0.6, "message": ""}
    return {
        "blessed": True,
        "reasons": [],
        "rules": [
            {
                "name": "auc floor",
                "slice": "in_distribution",
                "metric": "auc",
                "value": 0.951,
                "lower": 0.931,
                "upper": 0.971,
                "threshold": 0.7,
                "status": "pass",
                "message": "lower bound 0.931 >= 0.7",
            },
            {
                **rule,
                "name": "site floor",
                "slice": HOSTILE,
                "metric": "auc",
                "value": 0.41,
                "status": "fail",
            },
            {
                **rule,
                "name": "age",
                "slice": "80+",
                "metric": "auc",
                "value": float("nan"),
                "status": "not_enough_data",
            },
            {
                **rule,
                "name": "regression",
                "slice": "",
                "metric": "auc",
                "value": None,
                "status": "not_required",
                "message": "no baseline",
            },
        ],
        "metrics": {"in_distribution": figures(0.951, 120), "shifted": figures(0.664, 45)},
        "subgroups": [
            {
                "domain": "shifted",
                "column": "site",
                "value": HOSTILE,
                "auc": 0.664,
                "lower": 0.58,
                "upper": 0.74,
                "patients": 45,
                "examples": 90,
                "status": "pass",
            },
            {
                "domain": "in_distribution",
                "column": "age",
                "value": "80+",
                "auc": None,
                "lower": None,
                "upper": None,
                "patients": 7,
                "examples": 9,
                "status": "not_enough_data",
            },
        ],
        "worst_groups": {
            "shifted": {
                "domain": "shifted",
                "column": "site",
                "value": HOSTILE,
                "auc": 0.664,
                "lower": 0.58,
                "upper": 0.74,
            }
        },
        "delong": {"in_distribution": {"value": 0.951, "lower": 0.933, "upper": 0.969}},
        "gap": {"value": 0.287, "lower": 0.21, "upper": 0.35},
        "baseline": {
            "version": "3",
            "difference": {"shifted": {"value": -0.012, "lower": -0.04, "upper": 0.01}},
        },
        "serving": {
            "ok": True,
            "message": "Same predictions.",
            "latency_ms": 12.5,
            "size_bytes": 3.2e6,
            "max_difference": 1e-7,
        },
    }


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
            Drift(feature="image/mean", statistic=statistic, value=value)
            for statistic, value in (
                ("mean in_distribution", 0.402),
                ("mean shifted", 0.598),
                ("kolmogorov-smirnov", 0.918),
            )
        ],
    )


def settings() -> dict:
    """The resolved configuration, as far as the report looks into it."""
    return {
        "name": "cxr-small",
        "seed": 0,
        "task": {"kind": "binary", "labels": ["opacity"]},
        "data": {"source": "manifest", "root": "/data/films", "id_key_file": "/home/someone/key"},
        "gate": {"confidence": 0.95, "resamples": 1000, "subgroups": {"min_auc": 0.5}},
        "push": {"enabled": True},
    }


def write_run(folder: Path) -> dict:
    """Writes every artifact and returns the arguments of `Sources`."""
    places = {
        name: folder / name
        for name in ("ingest", "data_gate", "pretrain", "finetune", "model", "predictions", "gate")
    }
    for place in places.values():
        place.mkdir(parents=True)

    def dump(name: str, file_name: str, value: dict) -> None:
        path = places[name] / file_name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(value))

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
    dump("gate", "verdict.json", gate_report())
    return {
        "ingest_report": places["ingest"],
        "data_gate_report": places["data_gate"],
        "pretrain_run": places["pretrain"],
        "finetune_run": places["finetune"],
        "model": places["model"],
        "evaluation": [
            {"slice": "overall", "output": "opacity", "metric": "auc", "value": 0.8714},
            {"slice": f"site = {HOSTILE}", "output": "opacity", "metric": "auc", "value": 0.6641},
            {"slice": f"site = {HOSTILE}", "output": "", "metric": "auc", "value": 0.111},
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
    """Arguments of `Sources` for a run that pushed."""
    return write_run(tmp_path_factory.mktemp("run"))
