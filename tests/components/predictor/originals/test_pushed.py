"""Where a pushed model lies, and what its card must say."""

import json

import pytest

from components.predictor.originals.pushed import find_model, open_classifier
from schemas.errors import InputError
from schemas.model_versions import versions
from tests.made_documents import classifier_card

TASK = {"kind": "binary", "labels": ["edema"]}


def version(folder):
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"")
    return folder


@pytest.mark.parametrize("below", ["", "classifier", "pushed/classifier"])
def test_newest_complete_version_of_what_a_user_names(tmp_path, below):
    for name in ("9", "10", "2", "latest"):
        version(tmp_path / below / name)
    (tmp_path / below / "11").mkdir()  # being written
    assert find_model(str(tmp_path)) == tmp_path / below / "10"
    assert find_model(str(tmp_path / below / "2")) == tmp_path / below / "2"
    assert [model.version for model in versions(tmp_path / below)] == ["10", "9", "2"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "contains no exported model"),
        (["summary.json"], "is a run that pushed no model"),
    ],
)
def test_folders_without_a_model(tmp_path, files, message):
    for name in files:
        (tmp_path / name).write_text("{}")
    with pytest.raises(InputError, match=message):
        find_model(str(tmp_path))
    with pytest.raises(InputError, match="is not a folder"):
        find_model(str(tmp_path / "nowhere"))


def test_cards_that_do_not_say_how_images_were_read(tmp_path):
    folder = version(tmp_path / "1")
    with pytest.raises(InputError, match=r"has no assets\.extra/card\.json"):
        open_classifier(str(folder))
    classifier_card(["edema"]).write(folder)
    with pytest.raises(InputError, match="does not say how its images were read"):
        open_classifier(str(folder))


@pytest.mark.slow
def test_settings_of_the_run_without_its_folders(tmp_path, push_classifier):
    data = {"stored_size": 48, "intensity": {"rule": "fixed", "low": 0, "high": 4095}}
    folder = push_classifier(tmp_path / "1", TASK, data)
    assert "/gone" not in (folder / "assets.extra" / "card.json").read_text()
    opened = open_classifier(str(tmp_path))
    assert (opened.data.stored_size, opened.data.intensity.high) == (48, 4095)
    assert opened.task.labels == ("edema",)


@pytest.mark.slow
def test_data_sets_of_one_model_that_are_read_differently(tmp_path, push_classifier):
    parts = [
        {"source": "manifest", "root": "/a", "role": "in_distribution", "intensity": "minmax"},
        {"source": "dicom", "root": "/b", "role": "shifted", "name": "other"},
    ]
    push_classifier(tmp_path / "1", TASK, {"source": "combined", "root": "", "parts": parts})
    card = json.loads((tmp_path / "1" / "assets.extra" / "card.json").read_text())
    assert card["ingestion"]["intensity"] is None
    with pytest.raises(InputError, match=r"different data\.intensity; .*: manifest, other"):
        open_classifier(str(tmp_path))
    with pytest.raises(InputError, match=r"--part 'c' is not a data set .* manifest, other"):
        open_classifier(str(tmp_path), "c")
    assert open_classifier(str(tmp_path), "manifest").data.intensity.rule == "minmax"
    assert open_classifier(str(tmp_path), "other").data.intensity.rule == "auto"
