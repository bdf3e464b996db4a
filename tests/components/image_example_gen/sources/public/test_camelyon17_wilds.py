import pytest

from schemas.errors import InputError


def _open(opened, root, **more):
    return opened(("tumor",), source="camelyon17_wilds", root=root, **more)


def test_rows_and_official_domains(opened, camelyon17_wilds):
    source = _open(opened, camelyon17_wilds, subgroups=("center",))
    rows = list(source.rows())
    assert rows[0].image == "patches/patient_000_node_4/patch_patient_000_node_4_x_3328_y_21792.png"
    assert [row.domain == "shifted" for row in rows] == [False, True, True, False, False] * 2
    assert [row.site for row in rows[:5]] == [f"center_{n}" for n in range(5)]
    assert [row.subgroups for row in rows[:5]] == [(str(n),) for n in range(5)]
    assert [row.labels for row in rows] == [(0.0,)] * 5 + [(1.0,)] * 5
    # Nothing is split by WILDS's own column, whose id_val shares slides with train.
    assert {row.split for row in rows} == {None}
    assert rows[1].patient_id == "patient_020"
    assert source.load(rows[0].image, 10**6).pixels.shape == (96, 96, 3)


def test_sites_are_chosen_and_shifted(opened, camelyon17_wilds):
    rows = list(_open(opened, camelyon17_wilds, sites=("center_0", "center_2")).rows())
    assert [(row.site, row.domain) for row in rows[:2]] == [
        ("center_0", "in_distribution"), ("center_2", "shifted")
    ]  # fmt: skip
    rows = list(_open(opened, camelyon17_wilds, shifted_sites=("center_4",)).rows())
    assert [row.domain == "shifted" for row in rows[:5]] == [False, False, False, False, True]


@pytest.mark.parametrize(
    ("sites", "shifted", "message"),
    [
        (("center_9",), (), r"data.sites names 'center_9'.*sites are center_0"),
        (("center_0",), ("center_1",), "which data.sites leaves out"),
    ],
)
def test_wrong_sites_are_refused(opened, camelyon17_wilds, sites, shifted, message):
    with pytest.raises(InputError, match=message):
        _open(opened, camelyon17_wilds, sites=sites, shifted_sites=shifted)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0,000,4,3328", "0,000,../4,3328", "row 1: column 'node' is '../4'"),
        (",21792,0,0,0,0", ",21792,0,0,7,0", "row 1: column 'center' is '7'; accepted: 0 to 4"),
        (",center,", ",hospital,", "has no column 'center'"),
        (",21792,0,0,0,0", ",21792,yes,0,0,0", "column 'tumor' is 'yes'"),
    ],
)
def test_bad_tables_are_refused(opened, camelyon17_wilds, old, new, message):
    path = camelyon17_wilds / "metadata.csv"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(InputError, match=message):
        _open(opened, camelyon17_wilds)
