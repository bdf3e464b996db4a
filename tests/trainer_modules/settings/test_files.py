"""Messages about wrong settings: the nearest name that there is."""

import pytest

from trainer_modules.settings.files import nearest

NAMES = ["data.root", "finetune.optimizer.learning_rate", "model.depth", "seed"]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("model.dept", "model.depth"),
        ("sed", "seed"),
        # By its last part alone, in whatever section it was looked for.
        ("a.section.that.there.is.not.dept", "model.depth"),
        ("training.of.some.other.kind.learning_rat", "finetune.optimizer.learning_rate"),
        ("a.section.that.there.is.not.sead", "seed"),
    ],
)
def test_the_nearest_name(name, found):
    assert nearest(name, NAMES) == f"; nearest valid name: '{found}'"


@pytest.mark.parametrize("name", ["color", "data.color", ""])
def test_a_name_like_no_other_has_none(name):
    assert nearest(name, NAMES) == ""
