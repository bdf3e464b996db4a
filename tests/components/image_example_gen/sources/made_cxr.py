"""Synthetic copies of the public chest X-ray layouts: real names, columns and quirks."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

CHEXPERT_HEADER = (
    "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,"
    "Lung Opacity,Lung Lesion,Edema,Consolidation,Pneumonia,Atelectasis,Pneumothorax,"
    "Pleural Effusion,Pleural Other,Fracture,Support Devices"
)
# Edema is the 6th observation, Pleural Effusion the 11th.
CHEXPERT_TRAIN = """\
patient00001/study1/view1_frontal.jpg,Female,68,Frontal,AP,1.0,,,,,,,,0.0,,,,,1.0
patient00002/study2/view1_frontal.jpg,Female,87,Frontal,AP,,,-1.0,1.0,,-1.0,-1.0,,-1.0,,-1.0,,1.0,
patient00002/study1/view2_lateral.jpg,Female,83,Lateral,,,,,1.0,,,-1.0,,,,,,1.0,
patient00003/study1/view1_frontal.jpg,Male,41,Frontal,PA,,,,,,1.0,,,,0.0,1.0,,,
patient00004/study1/view1_frontal.jpg,Unknown,0,Frontal,AP,1.0,0.0,,,,0.0,,,,0.0,0.0,,,1.0
"""
CHEXPERT_VALID = """\
patient64541/study1/view1_frontal.jpg,Male,73,Frontal,AP,0.0,1.0,1.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0,\
0.0,0.0,0.0,0.0
patient64542/study1/view1_frontal.jpg,Male,70,Frontal,PA,0.0,0.0,0.0,0.0,0.0,1.0,0.0,0.0,0.0,0.0,\
1.0,0.0,0.0,1.0
"""


@pytest.fixture
def chexpert(tmp_path, write_image) -> Path:
    """CheXpert-v1.0-small: 4 training patients, 2 validation patients."""
    root = tmp_path / "CheXpert-v1.0-small"
    seed = 0
    for split, text in (("train", CHEXPERT_TRAIN), ("valid", CHEXPERT_VALID)):
        lines = [f"{root.name}/{split}/{line}" for line in text.splitlines()]
        for line in lines:
            seed += 1
            write_image(tmp_path / line.split(",")[0], seed)
        (root / f"{split}.csv").write_text("\n".join([CHEXPERT_HEADER, *lines]) + "\n")
    return root


@pytest.fixture
def mimic_cxr(tmp_path, write_image) -> Path:
    """MIMIC-CXR-JPG: columns in different order from table to table, one study without labels."""
    root = tmp_path / "mimic-cxr-jpg"
    images = [  # dicom_id, study, subject, split, view
        ("02aa804e-bde0afdd-112c0b34-7bc16630-4e384014", "50414267", "10000032", "train", "PA"),
        (
            "174413ec-4ec4c1f7-34ea26b7-c5f994f8-79ef1962",
            "50414267",
            "10000032",
            "train",
            "LATERAL",
        ),
        ("2a2277a9-b0ded155-c0de8eb9-c124d10e-82c5caab", "53189527", "10000032", "train", "AP"),
        ("096052b7-d256dc40-453a102b-fa7d01c6-1b22c6b4", "56522600", "10000764", "validate", "AP"),
        ("8061113f-c019f3ae-fd1b7c54-33e8690a-f4e4b1d0", "57375967", "10000898", "test", ""),
        ("c1b4f9d8-3a6b3b1a-8b1b3c1e-2f9dd2a3-99a1d0e5", "57375968", "10000898", "test", "PA"),
    ]
    for seed, (image, study, subject, _, _) in enumerate(images):
        path = root / f"files/p{subject[:2]}/p{subject}/s{study}/{image}.jpg"
        write_image(path, 100 + seed)
    _gzip(
        root / "mimic-cxr-2.0.0-split.csv.gz",
        ["dicom_id,study_id,subject_id,split"]
        + [f"{image},{study},{subject},{split}" for image, study, subject, split, _ in images],
    )
    _gzip(
        root / "mimic-cxr-2.0.0-metadata.csv.gz",
        [
            "dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,"
            "Columns,StudyDate,StudyTime,ProcedureCodeSequence_CodeMeaning"
        ]
        + [
            f'{image},{subject},{study},"CHEST (PA, LAT)",{view},3056,2544,21800506,213014.5,CHEST'
            for image, study, subject, _, view in reversed(images)
        ],
    )
    _gzip(
        root / "mimic-cxr-2.0.0-chexpert.csv.gz",
        [
            "subject_id,study_id,Atelectasis,Cardiomegaly,Consolidation,Edema,"
            "Enlarged Cardiomediastinum,Fracture,Lung Lesion,Lung Opacity,No Finding,"
            "Pleural Effusion,Pleural Other,Pneumonia,Pneumothorax,Support Devices",
            "10000032,50414267,,,,,,,,,1.0,,,,,",
            "10000032,53189527,,,,-1.0,,,,,,1.0,,,,",
            "10000764,56522600,,,1.0,0.0,,,,,,,,-1.0,,",
            "10000898,57375967,1.0,,,,,,,,,,,,,",
        ],
    )
    return root


def _gzip(path: Path, lines: list[str]) -> None:
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


@pytest.fixture
def nih_cxr14(tmp_path, write_image) -> Path:
    """ChestX-ray14: patient ages with Y and out of range, a comma in no quotes at the end."""
    root = tmp_path / "nih"
    (root / "images_001" / "images").mkdir(parents=True)
    entries = [
        ("00000001_000.png", "Cardiomegaly", 1, "058Y", "M", "PA", "images_001/images"),
        ("00000001_001.png", "Cardiomegaly|Emphysema", 1, "058Y", "M", "PA", "images_001/images"),
        ("00000002_000.png", "No Finding", 2, "081Y", "M", "PA", "images_001/images"),
        ("00000003_000.png", "Hernia|Effusion", 3, "414Y", "F", "AP", "images_002/images"),
        ("00000004_000.png", "Pleural_Thickening", 4, "006M", "F", "AP", "images_002/images"),
    ]
    header = (
        "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,"
        "View Position,OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],"
    )
    lines = [header]
    for seed, (image, labels, patient, age, sex, view, folder) in enumerate(entries):
        write_image(root / folder / image, 200 + seed)
        lines.append(f"{image},{labels},0,{patient},{age},{sex},{view},2682,2749,0.143,0.143,")
    (root / "Data_Entry_2017.csv").write_text("\n".join(lines) + "\n")
    (root / "train_val_list.txt").write_text(
        "00000001_000.png\n00000001_001.png\n00000002_000.png\n"
    )
    (root / "test_list.txt").write_text("00000003_000.png\n00000004_000.png")
    return root


def write_test_labels(chexpert: Path, write_image: Callable[..., Path]) -> str:
    """Adds test images of two patients and their labels, published later; returns a lateral one."""
    findings = (chexpert / "train.csv").read_text().splitlines()[0].split(",")[5:]
    lines = [",".join(["Path", *findings])]
    for number in (64741, 64742):
        image = f"test/patient{number}/study1/view1_frontal.jpg"
        write_image(chexpert / image, number)
        lines.append(",".join([image, *("1.0" if f == "Edema" else "0.0" for f in findings)]))
    image = "test/patient64742/study1/view2_lateral.jpg"
    lines.append(",".join([image, *["0.0"] * len(findings)]))
    (chexpert / "test_labels.csv").write_text("\n".join(lines) + "\n")
    return image
