import pytest
from pydantic import ValidationError

from schemas.errors import InputError

LABELS = ("edema", "consolidation", "pleural_effusion")


def _open(opened, *parts, labels=LABELS, **more):
    parts = [{**part, "root": str(part["root"])} for part in parts]
    return opened(labels, kind="multilabel", source="combined", parts=parts, **more)


@pytest.fixture
def three(chexpert, mimic_cxr, nih_cxr14):
    """As in the paper: one hospital to learn from, one more to pretrain on, one to shift to."""
    own_split = {"official_split": False}
    return (
        {"source": "chexpert", "root": chexpert, "role": "in_distribution", **own_split},
        {"source": "mimic_cxr", "root": mimic_cxr, "role": "unlabeled"},
        {"source": "nih_cxr14", "root": nih_cxr14, "role": "shifted"},
    )  # fmt: skip


def test_roles(opened, three):
    rows = list(_open(opened, *three).rows())
    assert [row.number for row in rows] == list(range(1, 16))
    assert [row.site for row in rows] == ["stanford"] * 6 + ["bidmc"] * 4 + ["nih"] * 5
    assert [row.domain for row in rows] == ["in_distribution"] * 10 + ["shifted"] * 5
    assert [row.split for row in rows] == [None] * 6 + ["unlabeled"] * 4 + [None] * 5
    assert rows[2].labels == (1.0, None, 1.0)
    assert {row.labels for row in rows[6:10]} == {(None, None, None)}
    assert rows[13].labels == (0.0, 0.0, 1.0)


def test_images_load_from_their_part(opened, three):
    source = _open(opened, *three)
    assert [source.load(row.image, 10**6).pixels.shape for row in source.rows()] == [(10, 12)] * 15


def test_same_number_in_two_data_sets_is_two_patients(opened, nih_cxr14, tmp_path):
    part = {"source": "nih_cxr14", "root": nih_cxr14}
    both = ({**part, "role": "in_distribution"}, {**part, "role": "shifted"})
    shared = [row.patient_id for row in _open(opened, *both).rows()]
    assert shared[:5] == shared[5:]
    named = (both[0], {**both[1], "name": "elsewhere"})
    apart = [row.patient_id for row in _open(opened, *named).rows()]
    assert not set(apart[:5]) & set(apart[5:])


def test_labels_and_subgroups_that_a_part_lacks(opened, three, tmp_path, write_image):
    write_image(tmp_path / "own" / "a.png", 1)
    (tmp_path / "own" / "manifest.csv").write_text("image,patient_id,edema\na.png,p,1\n")
    own = {"source": "manifest", "root": tmp_path / "own", "role": "shifted", "name": "own"}
    source = _open(opened, three[0], own, subgroups=("sex",))
    assert list(source.rows())[-1].labels == (1.0, None, None)
    assert list(source.rows())[-1].subgroups == ("unknown",)
    assert list(source.rows())[-1].site == "own"
    assert next(source.rows()).subgroups == ("F",)


def test_uncertain_policy_of_a_label_that_a_part_lacks(opened, three, tmp_path, write_image):
    write_image(tmp_path / "own" / "a.png", 1)
    (tmp_path / "own" / "manifest.csv").write_text("image,patient_id,edema\na.png,p,-1\n")
    own = {"source": "manifest", "root": tmp_path / "own", "role": "shifted"}
    source = _open(opened, three[0], own, by_label={"edema": "ones", "consolidation": "zeros"})
    rows = list(source.rows())
    assert rows[1].labels == (1.0, 0.0, None)
    assert rows[-1].labels == (1.0, None, None)


def test_fingerprint_follows_every_part(opened, three, write_image):
    before = _open(opened, *three).fingerprint()
    write_image(three[2]["root"] / "images_001/images/00000001_000.png", 9, size=(30, 30))
    assert _open(opened, *three).fingerprint() != before


def test_errors_name_the_part(opened, three):
    with pytest.raises(
        InputError, match=r"data\.parts\[0\] \(chexpert\): task.labels names 'mass'"
    ):
        _open(opened, *three, labels=("edema", "mass"))
    with pytest.raises(InputError, match=r"data\.parts\[2\] \(nih_cxr14\): task.labels lung_les"):
        _open(opened, *three, labels=("lung_lesion",))
    with pytest.raises(InputError, match=r"names 'race', which no part"):
        _open(opened, *three, subgroups=("race",))
    (three[1]["root"] / "mimic-cxr-2.0.0-split.csv.gz").unlink()
    with pytest.raises(InputError, match=r"data\.parts\[1\] \(mimic_cxr\): data.root"):
        _open(opened, *three)


IN_DISTRIBUTION, SHIFTED = {"role": "in_distribution"}, {"role": "shifted"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"source": "combined"}, "'combined' needs a list"),
        ({"parts": [SHIFTED]}, "other sources take none"),
        ({"source": "combined", "parts": [SHIFTED]}, "needs the role"),
        ({"source": "combined", "parts": [{**IN_DISTRIBUTION, "source": "chexpert"}]}, "root"),
        ({"source": "combined", "parts": [{"role": "train"}]}, "'in_distribution', 'shifted'"),
        ({"source": "combined", "parts": [{**SHIFTED, "source": "combined"}]}, "one list"),
    ],
)
def test_wrong_lists_are_refused(opened, data, message):
    with pytest.raises(ValidationError, match=message):
        opened(**data)
