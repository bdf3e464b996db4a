"""What GitHub reads beside the code: workflows, templates, the citation."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
GITHUB = [*sorted((ROOT / ".github").rglob("*.yml")), ROOT / "action.yml"]


def test_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert str(citation["version"]) == project["version"]
    assert citation["license"] == project["license"]
    # What version 1.2.0 of the format requires.
    assert citation["cff-version"] == "1.2.0"
    assert all(citation[key] for key in ("message", "title", "authors"))


@pytest.mark.parametrize("path", GITHUB, ids=lambda path: path.name)
def test_github_files_are_yaml(path):
    assert isinstance(yaml.safe_load(path.read_text()), dict)


def test_actions_are_pinned_to_a_commit():
    used = [
        name
        for path in [*(ROOT / ".github/workflows").glob("*.yml"), ROOT / "action.yml"]
        for name in re.findall(r"uses: (\S+)", path.read_text())
        if name != "./"  # this repository's own, of the same commit
    ]
    assert used
    assert [name for name in used if not re.search(r"@[0-9a-f]{40}$", name)] == []


def test_workflow_runs_what_ci_runs():
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    (job,) = workflow["jobs"].values()
    assert ".ci/run" in [step.get("run") for step in job["steps"]]
    assert (ROOT / ".ci/run").stat().st_mode & 0o111


RECIPES = (ROOT / "CONTRIBUTING.md").read_text().split("## Recipes")[1].split("\n## ")[0]


@pytest.mark.parametrize("recipe", RECIPES.split("\n### ")[1:], ids=lambda r: r.splitlines()[0])
def test_recipes_name_what_exists(recipe):
    """Files, and what to look for in them; NAME stands for the reader's own."""
    said = {name for name in re.findall(r"`([^`\n]+)`", recipe) if "NAME" not in name}
    places = [ROOT / name for name in said if "/" in name or name.endswith((".md", ".yaml"))]
    assert [place for place in places if not place.exists()] == []
    files = [place for place in places if place.is_file()]
    files += [path for place in places if place.is_dir() for path in place.rglob("*.py")]
    found = " ".join([*(file.name for file in files), *(file.read_text() for file in files)])
    names = {name for name in said if ROOT / name not in places}
    assert len(files) > 2
    assert sorted(name for name in names if name not in found) == []
