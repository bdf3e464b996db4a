import shutil

import numpy as np
import pytest
from matplotlib.path import Path as Outline

from components.image_example_gen.decoding import images
from schemas.errors import InputError
from tests.components.image_example_gen.sources.made_pathology import HOLE, LESION, as_bucket

TILES = {"tile_size": 64, "mpp": 0.5}


def _open(opened, root, **more):
    settings = {**TILES, **more.pop("slides", {})}
    return opened(("tumor",), source="camelyon16", root=root, slides=settings, **more)


def _of(rows, name):
    return {
        tuple(map(int, row.image.rpartition("@")[2].split(",")[:2])): row
        for row in rows
        if name in row.image
    }


def test_tiles_centers_and_splits(opened, camelyon16):
    rows = list(_open(opened, camelyon16, subgroups=("center", "slide")).rows())
    assert len(rows) == 6 * 15
    assert [row.number for row in rows] == list(range(1, 91))
    normal = _of(rows, "normal_001")
    assert sorted(normal) == [(x, y) for x in range(128, 768, 128) for y in (128, 256, 384)]
    assert {row.labels for row in normal.values()} == {(0.0,)}
    assert {row.patient_id for row in normal.values()} == {"normal_001"}
    sites = [
        next(iter(_of(rows, n).values())).site for n in ("normal_101", "tumor_001", "test_001")
    ]
    assert sites == ["umcu", "rumc", "unknown"]
    assert {row.split for row in normal.values()} == {"train"}
    assert {row.split for row in _of(rows, "test_001").values()} == {"test"}
    assert normal[128, 128].subgroups == ("rumc", "1")


def test_the_bucket_gives_the_same_as_the_official_folders(opened, camelyon16):
    def said(rows):
        return {
            (row.image.rpartition("/")[2], row.labels, row.split, row.site, row.patient_id)
            for row in rows
        }

    before = said(_open(opened, camelyon16).rows())
    as_bucket(camelyon16)
    source = _open(opened, camelyon16)
    rows = list(source.rows())
    assert said(rows) == before
    assert {row.image.partition("/")[0] for row in rows} == {"images"}
    assert source.load(rows[0].image, 10**6).pixels.shape == (64, 64, 3)
    first = source.fingerprint()
    (camelyon16 / "evaluation/reference.csv").write_text("test_003,Normal,None,None\n")
    assert _open(opened, camelyon16).fingerprint() != first


def test_what_the_bucket_may_not_hold(opened, camelyon16, write_slide):
    as_bucket(camelyon16)
    write_slide(camelyon16 / "images/mask_001.tif", 9)
    with pytest.raises(InputError, match=r"mask_001.tif: the names of CAMELYON16's slides are"):
        _open(opened, camelyon16)
    (camelyon16 / "images/mask_001.tif").unlink()
    write_slide(camelyon16 / "training/normal/normal_001.tif", 0)
    with pytest.raises(InputError, match="'normal_001' twice"):
        _open(opened, camelyon16)
    shutil.rmtree(camelyon16 / "training")
    (camelyon16 / "annotations/tumor_001.xml").unlink()
    with pytest.raises(InputError, match=r"tumor_001.tif has no outlines.* to annotations"):
        _open(opened, camelyon16)


def test_assumed_resolutions_are_counted(opened, camelyon16, write_slide):
    for name, mpp in (("normal_001", 352.8), ("normal_101", None)):
        write_slide(camelyon16 / f"training/normal/{name}.tif", 7, mpp=mpp)
    with pytest.raises(
        InputError, match=r"slide 1 of data.root does not state a credible size"
    ) as refused:
        _open(opened, camelyon16)
    assert "normal_001" not in str(refused.value)
    assert "normal_001.tif" in refused.value.on_terminal()
    source = _open(opened, camelyon16, slides={"assumed_mpp": 0.25})
    assert len(list(source.rows())) == 6 * 15
    assert source.counts() == {"slides_with_assumed_mpp": 2}


@pytest.mark.slow
def test_the_bucket_is_ingested(ingested, camelyon16):
    as_bucket(camelyon16)
    found = ingested("tumor", source="camelyon16", root=camelyon16, slides=TILES)
    # Six slides of fifteen tiles.
    assert found["kept"] == 90
    assert found["splits"]["test"]["examples"] == 15 * len(
        list((camelyon16 / "images").glob("test_*.tif"))
    )
    assert found["splits"]["train"]["labels"]["tumor"]["1"]
    assert found["listing"] == {}


@pytest.mark.slow
def test_slides_of_no_credible_resolution_are_ingested(ingested, camelyon16, write_slide):
    for name, mpp in (("normal_001", 352.8), ("normal_101", None)):
        write_slide(camelyon16 / f"training/normal/{name}.tif", 7, mpp=mpp)
    slides = {**TILES, "assumed_mpp": 0.25}
    found = ingested("tumor", source="camelyon16", root=camelyon16, slides=slides)
    assert found["kept"] == 90
    assert found["listing"] == {"slides_with_assumed_mpp": 2}


@pytest.mark.parametrize("least", [0.25, 0.5, 0.9])
def test_labels_agree_with_an_exact_mask(opened, camelyon16, least):
    source = _open(opened, camelyon16, slides={"least_tumor": least})
    tiles = _of(source.rows(), "tumor_001")
    y, x = np.mgrid[:768, :1024] + 0.5
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    mask = Outline(LESION).contains_points(points) & ~Outline(HOLE).contains_points(points)
    mask = mask.reshape(768, 1024)
    labels = []
    for (left, top), row in tiles.items():
        share = mask[top : top + 128, left : left + 128].mean()
        if abs(share - least) > 0.01 and (share == 0 or share > 0.001):
            expected = 1.0 if share >= least else (0.0 if share == 0 else None)
            assert row.labels == (expected,), (left, top, share)
            labels.append(expected)
    assert {0.0, 1.0, None} <= set(labels)


def test_the_hole_in_a_lesion_is_healthy(opened, camelyon16):
    tiles = _of(_open(opened, camelyon16).rows(), "tumor_001")
    assert tiles[384, 256].labels == (0.0,)


def test_test_slides_with_and_without_truth(opened, camelyon16):
    rows = list(_open(opened, camelyon16).rows())
    outlined = {row.labels[0] for row in _of(rows, "test_001").values()}
    assert outlined == {0.0, 1.0, None}
    assert {row.labels for row in _of(rows, "test_002").values()} == {(0.0,)}
    assert {row.labels for row in _of(rows, "test_003").values()} == {(None,)}


def test_slides_outlined_in_part(opened, camelyon16):
    partly = {"partly_annotated": ["tumor_001"]}
    tiles = _of(_open(opened, camelyon16, slides=partly).rows(), "tumor_001")
    assert {row.labels[0] for row in tiles.values()} == {1.0, None}


def test_tiles_load(opened, camelyon16):
    source = _open(opened, camelyon16)
    row = next(source.rows())
    tile = source.load(row.image, 10**6).pixels
    assert tile.shape == (64, 64, 3)
    assert np.abs(tile.mean(axis=(0, 1)) - (200, 60, 140)).max() < 3
    assert source.load(row.image, 10**6).flags == ()


def test_hospital_as_the_shift(opened, camelyon16):
    rows = list(_open(opened, camelyon16, shifted_sites=("umcu",)).rows())
    assert {row.domain for row in _of(rows, "normal_101").values()} == {"shifted"}
    assert {row.split for row in _of(rows, "normal_101").values()} == {None}
    assert {row.domain for row in _of(rows, "normal_001").values()} == {"in_distribution"}


def test_broken_slide_is_quarantined(opened, camelyon16):
    (camelyon16 / "training/normal/normal_101.tif").write_bytes(b"II*\0 cut")
    source = _open(opened, camelyon16)
    (row,) = [row for row in source.rows() if "normal_101" in row.image]
    with pytest.raises(images.Rejected, match="slide") as error:
        source.load(row.image, 10**6)
    assert error.value.reason == images.UNREADABLE


def test_fingerprint_follows_slides_and_outlines(opened, camelyon16, write_outlines):
    before = _open(opened, camelyon16).fingerprint()
    write_outlines(camelyon16 / "testing/lesion_annotations/test_001.xml", ("_1", HOLE))
    after = _open(opened, camelyon16).fingerprint()
    (camelyon16 / "testing/reference.csv").unlink()
    assert len({before, after, _open(opened, camelyon16).fingerprint()}) == 3


def test_wrong_layouts_are_refused(opened, camelyon16, tmp_path, write_slide):
    (camelyon16 / "training/lesion_annotations/tumor_001.xml").unlink()
    with pytest.raises(InputError, match=r"tumor_001.tif has no outlines: add tumor_001.xml"):
        _open(opened, camelyon16)
    with pytest.raises(InputError, match="contains no slide in training/normal"):
        _open(opened, camelyon16 / "testing")
    with pytest.raises(InputError, match="names 'age', camelyon16 has center, slide"):
        _open(opened, camelyon16, subgroups=("age",))
    write_slide(tmp_path / "other/training/normal/normal_001.tif", 0, mpp=None)
    with pytest.raises(InputError, match=r"slide 1 .*assumed_mpp"):
        _open(opened, tmp_path / "other")
    rows = _open(opened, tmp_path / "other", slides={"assumed_mpp": 0.25}).rows()
    assert len(list(rows)) == 15
