import pytest

from components.image_example_gen.tables.label_names import LabelNames, snake_case
from schemas.errors import InputError


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Pleural Effusion", "pleural_effusion"),
        ("Pleural_Thickening", "pleural_thickening"),
        ("Frontal/Lateral", "frontal_lateral"),
        ("No Finding", "no_finding"),
        (" Grade 3+ (high)", "grade_3_high"),
        ("tumor", "tumor"),
    ],
)
def test_rule(name, label):
    assert snake_case(name) == label


def test_matches_rule_alias_and_setting():
    names = LabelNames(
        ["Edema", "Effusion"], {"fluid": "Effusion"}, {"pleural_effusion": "Effusion"}
    )
    assert names.match(("edema", "effusion", "fluid", "pleural_effusion", "Edema"), "x") == {
        "edema": "Edema",
        "effusion": "Effusion",
        "fluid": "Effusion",
        "pleural_effusion": "Effusion",
        "Edema": "Edema",
    }
    assert {"edema", "effusion", "fluid", "pleural_effusion"} <= names.known()


def test_what_it_does_not_have():
    names = LabelNames(["Edema"], {"fluid": "Water"})
    assert "fluid" not in names.known()
    with pytest.raises(InputError, match=r"names 'fluid', which x does not have.*has edema"):
        names.match(("fluid",), "x")
