"""Every source through the pipeline, from ingestion to DataGate."""

from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.e2e]

OWN, SHIFTED, UNLABELED = "in_distribution", "shifted", "unlabeled"
SLIDES = {"tile_size": 64, "most_tiles": 6}
KEYS = {"image": "image", "patient_id": "subject", "ill": "image/class/label"}
# Each run combines sources that have a task in common: fixture, role, further settings of the part.
FILMS = (
    ("chexpert", OWN, {}),
    ("mimic_cxr", OWN, {}),
    ("archive", UNLABELED, {"source": "dicom", "name": "dicom"}),
    ("nih_cxr14", SHIFTED, {}),
)
SLIDES_AND_PATCHES = (
    ("camelyon16", OWN, {"slides": SLIDES}),
    ("camelyon17", OWN, {"slides": SLIDES, "shifted_sites": ["center_4"]}),
    ("camelyon17_wilds", OWN, {}),
    ("patches", SHIFTED, {"source": "patch_camelyon"}),
)
GENERAL = (
    ("folders", OWN, {"source": "image_folder", "label_columns": {"ill": "PNEUMONIA"}}),
    ("prepared", OWN, {"source": "tfds", "tfds": {"name": "tiny_pets"},
                       "label_columns": {"ill": "cat"}}),
    ("foreign", SHIFTED, {"source": "tfrecord", "tfrecord": {"keys": KEYS}}),
)  # fmt: skip
# Names and numbers of patients and studies that the fixtures hold.
IDENTITIES = (
    b"patient0000", b"10000032", b"50414267", b"MRN-1", b"Roe^Jane", b"train0", b"1.2.3.1"
)  # fmt: skip


def _no_identity_left(folder: Path) -> None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 10
    for path in files:
        data = path.read_bytes()
        assert not [identity for identity in IDENTITIES if identity in data], path


def _run(parts, task, request, to_data_gate, **more):
    listed = [
        {"source": name, "root": str(request.getfixturevalue(name)), "role": role, **settings}
        for name, role, settings in parts
    ]
    data = {"data.source": "combined", "data.parts": listed}
    ingest, gate, folder = to_data_gate({**data, **task, **more})
    assert gate["passed"], gate
    assert ingest["kept"] + ingest["quarantined_count"] == ingest["images"]
    assert not ingest["synthetic"]
    _no_identity_left(folder / "artifacts")
    return ingest


def test_chest_films(request, to_data_gate):
    labels = ["edema", "pleural_effusion"]
    task = {"task.kind": "multilabel", "task.labels": labels, "data.subgroups": ["sex", "view"]}
    ingest = _run(FILMS, task, request, to_data_gate)
    sites = ingest["sites"]
    assert sites["unlabeled"] == {"dicom": 5}
    assert {"bidmc", "stanford"} == set(sites["train"]) | set(sites["validation"])
    assert sites["test"] == {"bidmc": 1, "stanford": 2}
    assert sites["shifted"] == {"nih": 5}
    shifted = ingest["splits"]["shifted"]["labels"]
    assert shifted["pleural_effusion"] == {"0": 4, "1": 1, "unknown": 0}
    assert ingest["splits"]["unlabeled"]["labels"]["edema"] == {"0": 0, "1": 0, "unknown": 5}
    # The archive holds two text files among its images.
    assert ingest["reasons"] == {}
    assert ingest["listing"] == {
        "dicom: dicomdir": 1, "dicom: not_dicom": 2, "mimic_cxr: rows_with_an_unknown_view": 1,
    }  # fmt: skip
    assert ingest["flags"] == {"burned_in_annotation": 3, "burned_in_annotation_not_stated": 1}


def test_slides_and_patches(request, to_data_gate):
    task = {"task.labels": ["tumor"], "data.subgroups": ["center"]}
    # Tiles of one made-up tissue look alike.
    alike = {"data_gate.duplicates": "report"}
    ingest = _run(SLIDES_AND_PATCHES, task, request, to_data_gate, **alike)
    sites = ingest["sites"]
    assert sites["shifted"] == {"camelyon16": 10, "center_1": 2, "center_2": 2, "center_4": 6}
    own = {site for split in ("train", "validation", "test") for site in sites[split]}
    assert {"rumc", "umcu", "unknown"} & own
    assert sum(sites["unlabeled"].values()) >= 6
    assert ingest["kept"] == ingest["images"] == 6 * 6 + 5 * 6 + 10 + 10


def test_general_formats(request, to_data_gate):
    ingest = _run(GENERAL, {"task.labels": ["ill"]}, request, to_data_gate)
    assert ingest["sites"]["shifted"] == {"tfrecord": 8}
    own = ingest["splits"]
    kept = {name: own[name]["examples"] for name in ("train", "validation", "test")}
    assert kept == {"train": 7, "validation": 1, "test": 4}
    assert own["shifted"]["labels"]["ill"] == {"0": 4, "1": 4, "unknown": 0}
