"""Settings of the data gate."""

from __future__ import annotations

import difflib

from pydantic import Field, field_validator

from schemas.documents.data_gate import Severity
from trainer_modules.settings import Settings


class DataGateSettings(Settings):
    """What stops a run before training, what is only reported, and what is ignored."""

    anomalies: Severity = Field(
        "stop", description="what ExampleValidator found against the curated schema"
    )
    anomaly_kinds: dict[str, Severity] = Field(
        {},
        description="severity of single kinds of schema anomalies, by TFDV's name, for example "
        "{ENUM_TYPE_UNEXPECTED_STRING_VALUES: report}",
    )
    identifying_metadata: Severity = Field(
        "stop", description="features outside contract and schema; ids that are not keyed hashes"
    )
    patient_overlap: Severity = Field("stop", description="a patient in more than one split")
    study_overlap: Severity = Field("stop", description="a study in more than one split")
    slide_overlap: Severity = Field("stop", description="a slide in more than one split")
    duplicates: Severity = Field("stop", description="the same pixels in two splits")
    near_duplicates: Severity = Field(
        "report",
        description="images of two splits that look alike. Reported, because among very many "
        "chest films two of different patients can; `stop` suits other images and up to some "
        "ten thousand films",
    )
    near_duplicate_bits: int = Field(
        16,
        ge=0,
        le=20,
        description="bits of 256 in the perceptual hash by which near duplicates may differ; more "
        "finds more, also falsely",
    )
    pictured_pairs: int = Field(
        8,
        ge=0,
        le=100,
        description="pairs of duplicates that the report shows; 0: none",
    )
    class_counts: Severity = Field("stop", description="classes below `min_per_class`")
    min_per_class: int = Field(
        5,
        ge=0,
        description="least examples of each class in train, validation, test and shifted",
    )
    gate_requirements: Severity = Field(
        "stop",
        description="what the model gate requires and the data lack: images of a domain, a class "
        "in it, patients (gate.*.min_patients, gate.min_patients_per_class)",
    )
    split_fractions: Severity = Field(
        "report",
        description="fractions of data.split that are less than one patient, in all or of a class",
    )
    subgroup_counts: Severity = Field("report", description="subgroups below `min_per_subgroup`")
    min_per_subgroup: int = Field(
        0,
        ge=0,
        description="least examples of each value of a subgroup in test and shifted",
    )
    shortcuts: Severity = Field(
        "report",
        description="a site, domain or class predicted from size, aspect ratio, gray values, "
        "border, corners or file format alone, or site or domain from the labels, with "
        "`shortcut_auc` or more",
    )
    shortcut_auc: float = Field(
        0.9,
        gt=0.5,
        le=1,
        description="AUC from which image statistics alone give a site, domain or class away",
    )
    quality: Severity = Field(
        "report",
        description="images that are blank, blurred, dark, of little information or odd aspect "
        "ratio, more of them than `quality_fraction` of a site or class",
    )
    quality_fraction: float = Field(
        0.05,
        ge=0,
        le=1,
        description="largest fraction of the images of a site or class with one of these flags",
    )
    pictured_quality: int = Field(
        4,
        ge=0,
        le=100,
        description="worst images of each of these flags that the report shows, unless the data "
        "are private (data.private); 0: none",
    )
    domain_drift: Severity = Field("report", description="drift between train and shifted")
    previous_drift: Severity = Field(
        "report",
        description="drift between this run's splits and those of the last run that passed",
    )
    drift_distance: float = Field(
        0.2,
        gt=0,
        le=1,
        description="Jensen-Shannon divergence (numbers) or L-infinity distance (names, labels) "
        "that is drift, for features to which the schema gives no comparator of its own",
    )
    passed_data: str = Field(
        "",
        description="folder where a run that passes leaves its statistics for the next one to be "
        "compared with; empty: in the output folder, on Kubeflow beside what is pushed",
    )

    @field_validator("anomaly_kinds")
    @classmethod
    def _known_kinds(cls, value: dict[str, Severity]) -> dict[str, Severity]:
        if not value:
            return value
        from tensorflow_metadata.proto.v0 import anomalies_pb2

        known = anomalies_pb2.AnomalyInfo.Type.keys()
        for name in value:
            if name not in known:
                near = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0)
                raise ValueError(f"'{name}' is not a kind of anomaly; the nearest is {near[0]}")
        return value

    @field_validator("passed_data")
    @classmethod
    def _path(cls, value: str) -> str:
        if "://" in value:
            raise ValueError(f"'{value}' is an address; give the path of a mounted folder")
        return value
