"""Who may import whom, and what must stay light."""

import ast
import fnmatch
import graphlib
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {"tensorflow", "tfx", "keras", "tensorflow_model_analysis", "tensorflow_data_validation"}


PARTS = ("schemas", "trainer_modules", "components", "pipeline")
RUNNERS = ("local_runner", "kubeflow_runner")
# Who can't find a file in a glance at its folder has to search.
MOST_MODULES = 12


def _modules() -> dict[str, Path]:
    """Path of every module of ours, by its dotted name; a package by the name of its folder."""
    paths = [path for part in PARTS for path in (ROOT / part).rglob("*.py")]
    paths += [ROOT / f"{runner}.py" for runner in RUNNERS]
    dotted = {path: path.relative_to(ROOT).with_suffix("").parts for path in paths}
    return {".".join(p[:-1] if p[-1] == "__init__" else p): path for path, p in dotted.items()}


MODULES = _modules()
PACKAGES = sorted(name for name, path in MODULES.items() if path.name == "__init__.py")


def _imported(path: Path) -> set[str]:
    """Full names of what a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path.relative_to(ROOT)}: import by the full name"
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            names.update(a.value for a in node.args if isinstance(a, ast.Constant))
    return names


def _home(name: str) -> str | None:
    """The package that a name is of; a runner is its own; None for other people's modules."""
    while name and name not in PACKAGES and name not in RUNNERS:
        name = name.rpartition(".")[0]
    return name or None


def _package_imports() -> dict[str, dict[str, list[str]]]:
    """Package -> package that it imports -> the modules that do it."""
    found: dict[str, dict[str, list[str]]] = {name: {} for name in (*PACKAGES, *RUNNERS)}
    for name, path in MODULES.items():
        for other in {_home(imported) for imported in _imported(path)} - {None, _home(name)}:
            found[_home(name)].setdefault(other, []).append(name)
    return found


def _rows() -> list[tuple[str, list[str]]]:
    """CONTRIBUTING's table: a package, and patterns of the packages that it may import."""
    lines = (ROOT / "CONTRIBUTING.md").read_text().split("| May import |")[1].split("\n\n")[0]
    rows = re.findall(r"^\| `([\w.]+)` \| (.*) \|$", lines, re.MULTILINE)
    assert len(rows) == len(dict(rows)), "CONTRIBUTING.md: a package has two rows"
    return [(package, re.findall(r"`([^`]+)`", allowed)) for package, allowed in rows]


def _table() -> dict[str, set[str]]:
    """Package -> packages that it may import, patterns written out."""
    table = {}
    for package, patterns in _rows():
        table[package] = {"schemas"} - {package}
        if package.split(".")[0] != "schemas":
            table[package].add("schemas.documents")
        for pattern in patterns:
            matching = fnmatch.filter(PACKAGES, pattern)
            assert matching, f"CONTRIBUTING.md: `{pattern}` is not a package"
            table[package].update(matching)
    return table


def test_table_of_imports_names_every_package():
    assert sorted(_table()) == sorted((*PACKAGES, *RUNNERS))


def test_packages_import_what_the_table_allows():
    table = _table()
    wrong = [
        f"{module} imports {other}, which CONTRIBUTING.md's table does not allow {package}"
        for package, imports in _package_imports().items()
        for other, modules in imports.items()
        if other not in table.get(package, set())
        for module in modules
    ]
    assert not wrong, "\n".join(wrong)


def test_table_allows_nothing_that_no_package_does():
    imports = _package_imports()
    unused = [
        f"`{package}` imports nothing of `{pattern}`"
        for package, patterns in _rows()
        for pattern in patterns
        if package in imports and not fnmatch.filter(imports[package], pattern)
    ]
    assert unused == []


@pytest.mark.parametrize("graph", [_table, _package_imports], ids=["table", "code"])
def test_no_packages_import_each_other_in_a_circle(graph):
    graphlib.TopologicalSorter(graph()).prepare()  # raises CycleError, which names the circle


def test_no_modules_import_each_other_in_a_circle():
    graph = {}
    for name, path in MODULES.items():
        imported = {n if n in MODULES else n.rpartition(".")[0] for n in _imported(path)}
        graph[name] = {n for n in imported if n in MODULES and n not in (name, *PACKAGES)}
    graphlib.TopologicalSorter(graph).prepare()


def test_packages_say_in_three_lines_what_lives_in_them():
    said = {p: ast.get_docstring(ast.parse(MODULES[p].read_text())) or "" for p in PACKAGES}
    assert [p for p, text in said.items() if not 1 <= len(text.splitlines()) <= 3] == []


def test_folders_hold_few_modules():
    paths = [*MODULES.values(), *(ROOT / "benchmarks").rglob("*.py")]
    paths += (ROOT / "tests").rglob("test_*.py")
    held = Counter(str(path.parent.relative_to(ROOT)) for path in paths if path.stem != "__init__")
    assert {folder: n for folder, n in held.items() if n > MOST_MODULES} == {}


def test_every_folder_with_modules_is_a_package():
    folders = {path.parent for path in MODULES.values()} - {ROOT}
    assert [str(f.relative_to(ROOT)) for f in folders if not (f / "__init__.py").exists()] == []


def test_tests_mirror_the_modules():
    """tests/<folder>/test_<module>[_<aspect>].py; a package's own tests may bear its name."""
    astray = []
    for path in (ROOT / "tests").rglob("test_*.py"):
        package = ".".join(path.relative_to(ROOT / "tests").parent.parts)
        if package.split(".")[0] not in PARTS:
            continue
        known = {name.rpartition(".")[2] for name in MODULES if name.rpartition(".")[0] == package}
        known.add(package.rpartition(".")[2])
        subject = path.stem.removeprefix("test_")
        if package not in PACKAGES or not any(f"{subject}_".startswith(f"{n}_") for n in known):
            astray.append(str(path.relative_to(ROOT)))
    assert astray == []


@pytest.mark.parametrize("runner", RUNNERS)
def test_runners_are_short(runner):
    assert len(MODULES[runner].read_text().splitlines()) < 100


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
