import pytest

from components.image_example_gen.tables import demographics


@pytest.mark.parametrize(
    ("text", "years"),
    [
        ("58", "58"), ("058Y", "58"), ("58.0", "58"), ("006M", "0"), ("018M", "1"), ("053W", "1"),
        ("800D", "2"), ("0", "0"), ("120", "120"), ("414", ""), ("", ""), ("-1", ""), ("old", ""),
        ("nan", ""),
    ],
)  # fmt: skip
def test_age(text, years):
    assert demographics.age(text) == years


@pytest.mark.parametrize(
    ("text", "sex"),
    [("Female", "F"), ("M", "M"), ("male", "M"), ("Unknown", ""), ("O", ""), ("", "")],
)
def test_sex(text, sex):
    assert demographics.sex(text) == sex


@pytest.mark.parametrize(
    ("position", "view"),
    [("PA", "frontal"), ("ap", "frontal"), ("LL", "lateral"), ("LATERAL", "lateral"), ("", "")],
)
def test_view(position, view):
    assert demographics.view_class(position) == view
