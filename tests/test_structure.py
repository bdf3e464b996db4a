"""Who may import whom, and what must stay light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {"tensorflow", "tfx", "keras", "tensorflow_model_analysis", "tensorflow_data_validation"}


def _imports(path, *, top_level_only):
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def _modules(package):
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("trainer_modules", {"pipeline", "components", "tfx"}),
        ("components", {"pipeline"}),
    ],
)
def test_packages_import_only_downwards(package, forbidden):
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in _modules(package)
        for name in _imports(path, top_level_only=False)
        if name.split(".")[0] in forbidden
    ]
    assert not wrong


@pytest.mark.parametrize("runner", ["local_runner.py", "kubeflow_runner.py"])
def test_runners_are_short_and_reach_only_the_pipeline(runner):
    path = ROOT / runner
    assert len(path.read_text().splitlines()) < 100
    own = {name.split(".")[0] for name in _imports(path, top_level_only=False)}
    assert "components" not in own


def test_settings_and_configuration_load_nothing_heavy():
    code = (
        "import sys, pipeline.config.config, pipeline.local.run;"
        "import components.image_example_gen.sources.registry;"
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "[]"


@pytest.mark.parametrize("runner", ["local_runner.py", "kubeflow_runner.py"])
def test_help_is_light(runner):
    code = (
        f"import sys, runpy; sys.argv=['{runner}', '--help']\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        f"except SystemExit: print('LOADED', sorted(({HEAVY!r} | {{'numpy'}}) & set(sys.modules)))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "LOADED []" in shown.stdout
    assert "usage:" in shown.stdout
