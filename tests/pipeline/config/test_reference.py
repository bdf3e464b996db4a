"""The reference of settings: complete, read off the types, and on the page."""

from pathlib import Path

import pytest

from pipeline.config.config import setting_names
from pipeline.config.reference import as_page, as_text, sections
from schemas.errors import InputError

ROOT = Path(__file__).resolve().parents[3]
SETTINGS = [setting for section in sections() for setting in section.settings]


def test_every_setting_and_section_says_what_it_means():
    assert [setting.name for setting in SETTINGS if not setting.meaning] == []
    assert [section.name for section in sections() if not section.meaning] == []


def test_every_setting_is_there():
    named = {setting.name.replace(".N.", ".") for setting in SETTINGS}
    # The settings of a source in a list, and of a node's pod, are those of a section beside them.
    shared = ("data.parts.", "upstream.data.parts.", "kubernetes.nodes.")
    assert {name for name in setting_names() if not name.startswith(shared)} <= named
    assert "beam.worker_pool" in named


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("seed", ("whole number, 0 or more, below 2147483648", "0")),
        ("task.labels", ("list of text, 1 or more", "required")),
        (
            "gate.shifted.min_auc",
            ("number, 0 to 1", "0.65"),
        ),  # the field's default, not the class's
        ("finetune.augment.crop_area", ("[number, number] or null", "[0.5, 1.0]")),
        ("finetune.after_block", ("whole number, 0 or more or null", "null")),
        ("upstream.optimizer.name", ("lars, sgd or adamw", "sgd")),
        ("data.label_columns", ("mapping of text to text", "{}")),
        ("model.root_filters", ("whole number, 8 or more, a multiple of 8", "64")),
        ("push.enabled", ("true or false", "true")),
        ("gate.slices.N.domain", ("in_distribution or shifted", "required")),
        ("beam.runner", ("in_memory, multi_processing, flink, spark or dataflow", "in_memory")),
    ],
)
def test_type_and_default_in_words(name, expected):
    (setting,) = [setting for setting in SETTINGS if setting.name == name]
    assert (setting.type, setting.default) == expected


def test_the_page_is_what_the_types_say():
    written = (ROOT / "docs" / "settings.md").read_text()
    assert written == as_page(), "run `make settings`"


def test_one_setting_is_listed():
    assert as_text("seed").splitlines()[0].startswith("seed: whole number")
    with pytest.raises(InputError, match=r"nearest valid name: 'gate\.shifted\.min_auc'"):
        as_text("gate.shifted.min_auk")
