"""docs/sources.md says of every source what it is and how to run it, and the commands are right."""

import itertools
import re
import shlex
import typing
from pathlib import Path

import yaml

from components.image_example_gen.settings import SourceName
from components.image_example_gen.sources import _SOURCES
from pipeline.config import load_config

PAGE = (Path(__file__).resolve().parents[3] / "docs/sources.md").read_text()
SOURCES = typing.get_args(SourceName)


def _settings(command):
    words = shlex.split(command.replace("$BIT", "/weights/BiT-M-R50x1.npz"))
    preset = words[words.index("--preset") + 1]
    overrides = [value for name, value in itertools.pairwise(words) if name == "--set"]
    return load_config(preset=preset, overrides=overrides)


def test_settings_and_registry_agree():
    assert sorted(SOURCES) == sorted(_SOURCES)


def test_every_source_has_a_row():
    assert sorted(re.findall(r"^\| `(\w+)` \|", PAGE, flags=re.MULTILINE)) == sorted(SOURCES)


def test_every_command_is_a_valid_configuration():
    commands = re.findall(r"^\.venv/bin/python local_runner\.py .*$", PAGE, flags=re.MULTILINE)
    sources = {_settings(command).data.source for command in commands}
    assert sources == set(SOURCES) - {"combined"}


def test_the_combination_is_a_valid_configuration():
    data = yaml.safe_load(re.search(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)[1])["data"]
    overrides = [f"data.{name}={yaml.safe_dump(value)}" for name, value in data.items()]
    config = load_config(
        preset="cxr", overrides=[*overrides, "model.init.path=/weights/BiT-M-R50x1.npz"]
    )
    assert [part.role for part in config.data.parts] == ["in_distribution", "unlabeled", "shifted"]
