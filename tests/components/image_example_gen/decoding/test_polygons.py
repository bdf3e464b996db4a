import numpy as np
import pytest
from matplotlib.path import Path as Outline

from components.image_example_gen.decoding.polygons import Outlines, fill, read_asap
from schemas.errors import InputError


def _star(rng, corners, center, radius):
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
    reach = rng.uniform(0.3, 1, corners) * radius
    return np.stack([np.cos(angles), np.sin(angles)], axis=1) * reach[:, None] + center


@pytest.mark.parametrize("seed", range(8))
def test_fill_agrees_with_matplotlib(seed):
    rng = np.random.default_rng(seed)
    points = _star(rng, rng.integers(3, 40), rng.uniform(0, 40, 2), rng.uniform(5, 60))
    y, x = np.mgrid[:40, :40]
    grid = np.stack([x.ravel(), y.ravel()], axis=1)
    expected = Outline(points, closed=False).contains_points(grid).reshape(40, 40)
    np.testing.assert_array_equal(fill(points, 40), expected)


def test_fill_of_a_self_crossing_outline_is_even_odd():
    # A bow tie: two triangles that meet at (8, 8).
    bow = np.array([[0.5, 0.5], [15.5, 0.5], [0.5, 15.5], [15.5, 15.5]])
    inside = fill(bow, 16)
    assert inside[3, 8]
    assert inside[12, 8]
    assert not inside[8, 2]
    assert not inside[8, 13]


def _box(x0, y0, x1, y1):
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], float)


@pytest.mark.parametrize(
    ("lesions", "holes", "share"),
    [
        ([], [], 0),
        ([_box(0, 0, 1000, 1000)], [], 1),
        ([_box(0, 0, 132, 1000)], [], 0.5),
        ([_box(0, 0, 132, 1000), _box(100, 0, 164, 1000)], [], 1),
        ([_box(0, 0, 1000, 1000)], [_box(0, 0, 116, 1000)], 0.75),
        ([_box(116, 116, 148, 148)], [], 0.25),
        ([_box(500, 500, 600, 600)], [], 0),
        ([], [_box(0, 0, 1000, 1000)], 0),
    ],
)
def test_share_of_a_rectangle(lesions, holes, share):
    outlines = Outlines(tuple(lesions), tuple(holes))
    assert outlines.fraction(100, 100, 64, 64, 64) == pytest.approx(share)


def test_share_of_a_disc():
    turn = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    disc = np.stack([50 + 30 * np.cos(turn), 50 + 30 * np.sin(turn)], axis=1)
    share = Outlines((disc,), ()).fraction(0, 0, 100, 100, 256)
    assert share == pytest.approx(np.pi * 30**2 / 100**2, abs=2e-3)


def _xml(body):
    inner = f"<ASAP_Annotations><Annotations>{body}</Annotations></ASAP_Annotations>"
    return f'<?xml version="1.0"?>{inner}'


def _annotation(group, points, kind="Polygon"):
    coordinates = "".join(
        f'<Coordinate Order="{n}" X="{x}" Y="{y}"/>' for n, (x, y) in enumerate(points)
    )
    return (
        f'<Annotation Name="Annotation 0" Type="{kind}" PartOfGroup="{group}" Color="#F4FA58">'
        f"<Coordinates>{coordinates}</Coordinates></Annotation>"
    )


TRIANGLE = [(1.5, 2.5), (30, 4), (7, 25)]


@pytest.mark.parametrize(
    ("group", "is_lesion"),
    [("_0", 1), ("_1", 1), ("Tumor", 1), ("metastases", 1), ("_2", 0), ("normal", 0)],
)
def test_groups_of_both_challenges(tmp_path, group, is_lesion):
    path = tmp_path / "tumor_001.xml"
    path.write_text(_xml(_annotation(group, TRIANGLE)))
    outlines = read_asap(str(path))
    assert (len(outlines.lesions), len(outlines.holes)) == (is_lesion, 1 - is_lesion)
    np.testing.assert_array_equal((outlines.lesions + outlines.holes)[0], TRIANGLE)


def test_points_and_measures_are_no_lesions(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text(_xml(_annotation("_0", [(1, 2)], "Dot") + _annotation("_0", TRIANGLE[:2])))
    assert read_asap(str(path)).lesions == ()


BOMB = '<!DOCTYPE a [<!ENTITY x "y">]>' + _xml("&x;").removeprefix('<?xml version="1.0"?>')


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<a><b></a>", "not an ASAP annotation file"),
        ("", "not an ASAP annotation file"),
        (BOMB, r"not an ASAP annotation file \(EntitiesForbidden\)"),
        (_xml(_annotation("_7", TRIANGLE)), "of the group '_7'; known are"),
        (_xml(_annotation("_0", [("a", 1), (2, 3), (4, 5)])), "a coordinate is not a number"),
        (_xml(_annotation("_0", [("inf", 1), (2, 3), (4, 5)])), "a coordinate is not a number"),
    ],
)
def test_other_files_are_refused(tmp_path, text, message):
    path = tmp_path / "a.xml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_asap(str(path))
