"""One version, wherever it is written."""

import tomllib
from pathlib import Path

import yaml

from schemas.version import VERSION

ROOT = Path(__file__).resolve().parents[2]


def test_version_is_that_of_the_package_and_of_the_citation():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert VERSION == project["version"] == str(citation["version"])
