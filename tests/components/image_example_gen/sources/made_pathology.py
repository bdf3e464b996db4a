"""Synthetic copies of the public histology layouts: real names, columns and quirks."""

import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile


@pytest.fixture
def camelyon17_wilds(tmp_path, write_image) -> Path:
    """WILDS's metadata.csv, whose first column has no name; two patients of each center."""
    root = tmp_path / "camelyon17_v1.0"
    lines = [",patient,node,x_coord,y_coord,tumor,slide,center,split"]
    for number in range(10):
        center, patient, x = number % 5, number * 20 % 100 + number // 5, 3328 + 32 * number
        slide = f"patient_{patient:03d}_node_4"
        image = f"patches/{slide}/patch_{slide}_x_{x}_y_21792.png"
        write_image(root / image, 300 + number, size=(96, 96), mode="RGB")
        split = number // 5 if center in (0, 3, 4) else 0
        lines.append(f"{number},{patient:03d},4,{x},21792,{number // 5},{number},{center},{split}")
    (root / "metadata.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture(scope="session")
def write_slide() -> Callable[..., Path]:
    """Writes a tiled TIFF with three levels: glass, and purple tissue with a grain of its own."""
    made: dict[tuple, bytes] = {}

    def write(path: Path, seed: int, mpp: float | None = 0.25) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        if (seed, mpp) in made:
            path.write_bytes(made[seed, mpp])
            return path
        image = np.full((768, 1024, 3), 255, np.uint8)
        grain = np.random.default_rng(seed).integers(-20, 21, (384, 640, 1))
        image[128:512, 128:768] = np.array((200, 60, 140)) + grain
        with tifffile.TiffWriter(path, bigtiff=True) as writer:
            for level in range(3):
                writer.write(
                    image[:: 4**level, :: 4**level],
                    tile=(64, 64),
                    photometric="rgb",
                    compression="zlib",
                    resolution=(1e4 / (mpp * 4**level),) * 2 if mpp else None,
                    resolutionunit="CENTIMETER" if mpp else None,
                    subfiletype=1 if level else 0,
                    metadata=None,
                )
        made[seed, mpp] = path.read_bytes()
        return path

    return write


@pytest.fixture
def write_outlines() -> Callable[..., Path]:
    """Writes ASAP XML; each outline is a group and its points."""

    def write(path: Path, *outlines: tuple[str, list[tuple[float, float]]]) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        parts = []
        for number, (group, points) in enumerate(outlines):
            coordinates = "".join(
                f'<Coordinate Order="{n}" X="{x}" Y="{y}" />' for n, (x, y) in enumerate(points)
            )
            parts.append(
                f'<Annotation Name="Annotation {number}" Type="Polygon" PartOfGroup="{group}" '
                f'Color="#F4FA58"><Coordinates>{coordinates}</Coordinates></Annotation>'
            )
        path.write_text(
            '<?xml version="1.0"?>\n<ASAP_Annotations><Annotations>'
            + "".join(parts)
            + "</Annotations><AnnotationGroups /></ASAP_Annotations>"
        )
        return path

    return write


# The tissue is 128..768 x 128..512; tiles of 64 pixels at 0.5 microns are 128 of the slide's.
LESION = [(200.0, 150.0), (620.0, 170.0), (600.0, 500.0), (260.0, 420.0)]
HOLE = [(384.0, 256.0), (512.0, 256.0), (512.0, 384.0), (384.0, 384.0)]


@pytest.fixture
def camelyon16(tmp_path, write_slide, write_outlines):
    """The official folders: normal, tumor with outlines, and test slides with a reference."""
    root = tmp_path / "CAMELYON16"
    for seed, name in enumerate(
        [
            "training/normal/normal_001.tif",
            "training/normal/normal_101.tif",
            "training/tumor/tumor_001.tif",
            "testing/images/test_001.tif",
            "testing/images/test_002.tif",
            "testing/images/test_003.tif",
        ]
    ):
        write_slide(root / name, seed)
    write_outlines(root / "training/lesion_annotations/tumor_001.xml", ("_0", LESION), ("_2", HOLE))
    write_outlines(root / "testing/lesion_annotations/test_001.xml", ("_1", LESION))
    (root / "testing/reference.csv").write_text(
        "test_001,Tumor,IDC,Macro\ntest_002,Normal,None,None\ntest_003,Tumor,IDC,Micro\n"
    )
    return root


LEFT_LESION = [(100.0, 100.0), (400.0, 100.0), (400.0, 600.0), (100.0, 600.0)]


@pytest.fixture
def camelyon17(tmp_path, write_slide, write_outlines):
    """Slides of three hospitals and a test patient; the table mixes patients and slides."""
    root = tmp_path / "CAMELYON17"
    for seed, name in enumerate(
        [
            "training/center_0/patient_000_node_0.tif",
            "training/center_0/patient_000_node_1.tif",
            "training/center_1/patient_020_node_2.tif",
            "training/center_4/patient_099_node_4.tif",
            "testing/patient_145_node_0.tif",
        ]
    ):
        write_slide(root / name, seed)
    write_outlines(root / "lesion_annotations/patient_020_node_2.xml", ("metastases", LEFT_LESION))
    write_outlines(root / "lesion_annotations/patient_099_node_4.xml", ("metastases", LEFT_LESION))
    (root / "stage_labels.csv").write_text(
        "patient,stage\npatient_000.zip,pN0\npatient_000_node_0.tif,negative\n"
        "patient_000_node_1.tif,micro\npatient_020.zip,pN1\npatient_020_node_2.tif,macro\n"
        "patient_099.zip,pN0(i+)\npatient_099_node_4.tif,itc\n"
    )
    return root


SIZES = {"train": 5, "valid": 2, "test": 3}


@pytest.fixture
def patches(tmp_path):
    """The six files and their tables, with eight-pixel patches."""
    rng = np.random.default_rng(0)
    number = 0
    for split, count in SIZES.items():
        stem = tmp_path / f"camelyonpatch_level_2_split_{split}"
        with h5py.File(f"{stem}_x.h5", "w") as file:
            file["x"] = rng.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
        with h5py.File(f"{stem}_y.h5", "w") as file:
            file["y"] = np.arange(count, dtype=np.uint8).reshape(count, 1, 1, 1) % 2
        lines = [",coord_y,coord_x,tumor_patch,center_tumor_patch,wsi"]
        for place in range(count):
            number += 1
            slide = f"camelyon16_{split}_normal_{place // 2:03d}"
            lines.append(f"{place},{number},{number},{bool(place % 2)},{bool(place % 2)},{slide}")
        with open(f"{stem}_meta.csv", "w") as file:
            file.write("\n".join(lines) + "\n")
    return tmp_path


def as_bucket(root: Path) -> None:
    """Moves CAMELYON16's official folders to where the public bucket has their files."""
    (root / "images").mkdir()
    (root / "annotations").mkdir()
    for path in sorted(root.glob("t*/**/*.tif")):
        path.rename(root / "images" / path.name)
    for path in sorted(root.glob("t*/lesion_annotations/*.xml")):
        path.rename(root / "annotations" / path.name)
    (root / "evaluation").mkdir()
    (root / "testing/reference.csv").rename(root / "evaluation/reference.csv")
    for name in ("training", "testing"):
        shutil.rmtree(root / name)
    (root / "checksums.md5").write_text("0" * 32)
