"""The pages say of every source what it is and how to run it, and the commands are right."""

import itertools
import re
import shlex
import typing
from pathlib import Path

import yaml

from components.image_example_gen.settings import SourceName
from components.image_example_gen.sources.registry import _SOURCES
from pipeline.config.config import load_config

ROOT = Path(__file__).resolve().parents[4]
PAGE = (ROOT / "docs/sources.md").read_text()
README = (ROOT / "README.md").read_text()
WEIGHTS = "model.init.path=/weights/BiT-M-R50x1.npz"
SOURCES = typing.get_args(SourceName)


def _settings(command):
    words = shlex.split(command)
    preset = words[words.index("--preset") + 1]
    overrides = [value for name, value in itertools.pairwise(words) if name == "--set"]
    if preset in ("cxr", "pathology") and WEIGHTS not in overrides:
        overrides.append(WEIGHTS)
    return load_config(preset=preset, overrides=overrides)


def test_settings_and_registry_agree():
    assert sorted(SOURCES) == sorted(_SOURCES)


def test_every_source_has_a_row():
    assert sorted(re.findall(r"^\| `(\w+)` \|", PAGE, flags=re.MULTILINE)) == sorted(SOURCES)


def test_every_command_is_a_valid_configuration():
    for command in re.findall(r"^\.venv/bin/python local_runner\.py .*$", PAGE, re.MULTILINE):
        _settings(command)


def test_the_readme_has_a_valid_command_for_every_source():
    rows = dict(re.findall(r"^\| `(\w+)` \|[^|]*\| `([^`]+)` \|$", README, re.MULTILINE))
    assert sorted(rows) == sorted(set(SOURCES) - {"combined"})
    for source, options in rows.items():
        # A bar in a table is escaped, in code too.
        assert _settings(options.replace(r"\|", "|")).data.source == source, source


def test_the_combination_is_a_valid_configuration():
    data = yaml.safe_load(re.search(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)[1])["data"]
    overrides = [f"data.{name}={yaml.safe_dump(value)}" for name, value in data.items()]
    config = load_config(preset="cxr", overrides=[*overrides, WEIGHTS])
    assert [part.role for part in config.data.parts] == ["in_distribution", "unlabeled", "shifted"]
