"""Cards say what a model is and where it comes from; those without a version are still read."""

import json

import pytest

from schemas.documents.cards import ClassifierCard, Contrastive, EncoderCard, FirstWeights
from schemas.errors import InputError
from tests.made_documents import classifier_card, encoder_card


@pytest.mark.parametrize(
    ("kind", "card"), [(EncoderCard, encoder_card()), (ClassifierCard, classifier_card())]
)
def test_cards_of_pushed_models_from_before_versions_are_read(tmp_path, kind, card):
    path = card.write(tmp_path)
    assert path == tmp_path / "assets.extra" / "card.json"
    content = json.loads(path.read_text())
    assert content.pop("version") == 1
    path.write_text(json.dumps(content))
    assert kind.read(tmp_path) == card
    path.write_text(json.dumps(content | {"color": "red"}))
    with pytest.raises(InputError, match=r"card\.json is not a \w+Card .* unknown field 'color'"):
        kind.read(tmp_path)


def test_a_card_of_the_other_kind_is_refused(tmp_path):
    classifier_card().write(tmp_path)
    with pytest.raises(InputError, match=r"card\.json is not a EncoderCard .* 'kind'"):
        EncoderCard.read(tmp_path)


def test_the_training_is_told_by_its_method(tmp_path):
    content = json.loads(encoder_card().write(tmp_path).read_text())
    assert content["trained_on"]["method"] == "SimCLR"
    assert content["trained_on"]["initialised"] == {"source": "random"}
    assert content["trained_on"]["neighbour_auc"] is None  # measured, but undefined
    assert "patients" not in content["trained_on"]  # of another kind of pairs
    assert isinstance(EncoderCard.read(tmp_path).trained_on, Contrastive)
    content["trained_on"]["method"] = "guessed"
    (tmp_path / EncoderCard.FILE).write_text(json.dumps(content))
    with pytest.raises(InputError, match="'trained_on'"):
        EncoderCard.read(tmp_path)


def test_first_weights_may_tell_the_training_before():
    upstream = encoder_card().trained_on.model_copy(update={"seed": 8})
    with pytest.raises(ValueError, match="trained_on"):
        FirstWeights(source="upstream", trained_on=upstream)  # SimCLR comes after, not before
