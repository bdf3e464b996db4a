"""YAML of settings: what PyYAML takes and settings must not."""

import time

import pytest
import yaml

from schemas.errors import InputError
from trainer_modules.settings import strict_yaml
from trainer_modules.settings.files import read_mapping

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("max_gap: 0.1\nmax_gap: 0.9", "key 'max_gap' is given twice, line 2"),
        ("shifted: {min_auc: 0.9, min_auc: 0}", "key 'min_auc' is given twice"),
        (BOMB, "once aliases are expanded"),
        ("a: &a [*a]", "once aliases are expanded"),
        ("a: " + "[" * 50_000, "nested deeper than 20"),
        ("a: " + "{b: " * 10_000, "nested deeper than 20"),
        ("- " * 25_000, "nested deeper than 20"),
        ("[" + "1," * 20_000 + "1]", "more than 10000 values"),
        ("a: " + "x" * 100_000, "more than 60000 characters"),
        ("x: 1\nrequired: yes", "'yes' is not the same to all versions of YAML, line 2"),
        ("required: Off", "write true or false"),
        ("min_patients: 030", "'030' is not the same"),
        ("min_patients: 1:30", "write a decimal number"),
        ("confidence: 1:30.5", "'1:30.5' is not the same"),
    ],
)
def test_refused_in_under_a_second(text, words, tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    start = time.process_time()
    with pytest.raises(InputError, match=r"policy '.*' is not YAML") as caught:
        read_mapping(path, "policy")
    assert time.process_time() - start < 1
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\nb: [1.5, null, text]",
        "a: &one {x: 1}\nb: *one\nc: {<<: *one, y: 2}",
        "a: {x: 1}\nb: {x: 1}",  # the same key in two mappings
        "a: [true, False, 'yes', \"030\", 30, 0, -5, 0.5, 1e3, 2020-01-01]",
        "",
    ],
)
def test_anything_else_is_what_pyyaml_reads(text):
    assert strict_yaml.load(text) == yaml.safe_load(text)
