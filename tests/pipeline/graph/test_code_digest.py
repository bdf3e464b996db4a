"""Which edits make which nodes run again.

Small trees show what counts as a reference. For the nodes of both graphs, a table written by hand
says whose digest an edit changes, and two independent ways to find a module's imports, running it
and the standard library's ModuleFinder, agree with the closure.
"""

import ast
import io
import json
import modulefinder
import subprocess
import sys

import pytest

from pipeline.config.config import load_config
from pipeline.graph import code_digest

PACKAGES = ("schemas", "trainer_modules", "components", "pipeline")
TREE = {
    "ours/__init__.py": "",
    "ours/start.py": "",
    "ours/leaf.py": "",
    "ours/deep.py": "from ours import leaf",
    "ours/part/__init__.py": "",
    "ours/part/inner.py": "",
    "ours/part/probe.py": "import ours.leaf",
    "ours/part/rules.yaml": "",
    "ours/part/pages/one.html": "",
    "ours/part/pages/more/two.css": "",
}
START = {"ours/__init__.py", "ours/start.py"}
LEAF = {"ours/leaf.py"}
PART = {"ours/part/__init__.py"}


@pytest.fixture
def tree(tmp_path, monkeypatch):
    def write(files):
        for place, text in files.items():
            path = tmp_path / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    monkeypatch.setattr(code_digest, "ROOT", tmp_path)
    write(TREE)
    return write


@pytest.mark.parametrize(
    ("place", "source", "reached"),
    [
        ("ours/start.py", "", set()),
        ("ours/start.py", "import json, numpy, jinja2.nodes", set()),
        ("ours/start.py", "import ours.leaf", LEAF),
        ("ours/start.py", "import ours.leaf as other", LEAF),
        ("ours/start.py", "from ours import leaf", LEAF),
        ("ours/start.py", "from ours.leaf import function", LEAF),
        ("ours/start.py", "def f():\n    from ours import leaf", LEAF),
        ("ours/start.py", "from . import leaf", LEAF),
        ("ours/start.py", "from .part.inner import f", {*PART, "ours/part/inner.py"}),
        ("ours/start.py", "from ours.part import f", PART),
        ("ours/start.py", "import ours.deep", {"ours/deep.py", *LEAF}),
        # A package's own imports are part of importing anything in it.
        ("ours/__init__.py", "import ours.leaf", LEAF),
        # What only a type checker reads is not run; its alternative is.
        ("ours/start.py", "if TYPE_CHECKING:\n    import ours.leaf", set()),
        ("ours/start.py", "if TYPE_CHECKING:\n    pass\nelse:\n    import ours.leaf", LEAF),
        # Modules by their full name.
        ("ours/start.py", "import_module('ours.leaf')", LEAF),
        ("ours/start.py", "NAMES = {'a': ('ours.part.inner', 'A')}", {*PART, "ours/part/inner.py"}),
        ("ours/start.py", "RUN_FN = 'ours.leaf.run_fn'", LEAF),
        ("ours/start.py", "'''About ours.leaf.'''", set()),
        ("ours/start.py", "import_module(f'ours.{name}')", set()),
        # Files beside a module.
        (
            "ours/part/__init__.py",
            "P = Path(__file__).with_name('rules.yaml')",
            {"ours/part/rules.yaml"},
        ),
        (
            "ours/part/__init__.py",
            "P = Path(__file__).parent / 'pages'",
            {"ours/part/pages/one.html", "ours/part/pages/more/two.css"},
        ),
        ("ours/part/__init__.py", "P = 'pages'", set()),
        # A script beside a module is read, and run.
        (
            "ours/part/__init__.py",
            "P = Path(__file__).with_name('probe.py')",
            {"ours/part/probe.py", *LEAF},
        ),
        ("ours/leaf.py", "import ours.start", set()),
    ],
)
def test_closure_follows_what_a_module_can_run_or_read(tree, place, source, reached):
    tree({"ours/start.py": "import ours.part"} if place.startswith("ours/part") else {})
    tree({place: source})
    expected = START | reached | (PART if place.startswith("ours/part") else set())
    assert set(code_digest.closure("ours.start.run_fn")) == expected


def test_modules_that_import_each_other_are_followed_once(tree):
    tree({"ours/start.py": "import ours.leaf", "ours/leaf.py": "import ours.start"})
    assert set(code_digest.closure("ours.start")) == START | LEAF


@pytest.mark.parametrize("entry", ["elsewhere.start", "ours", "ours.absent", "json.dumps"])
def test_entry_that_is_not_ours_is_refused(tree, entry):
    with pytest.raises(ValueError, match=f"'{entry}' is not in a module"):
        code_digest.closure(entry)


def test_digest_depends_on_names_and_bytes_of_the_closure_alone(tree):
    tree({"ours/start.py": "import ours.leaf"})
    first = code_digest.code_digest("ours.start")
    tree({"ours/deep.py": "edited", "ours/part/rules.yaml": "edited"})
    assert code_digest.code_digest("ours.start") == first
    tree({"ours/leaf.py": "# edited"})
    edited = code_digest.code_digest("ours.start")
    assert edited != first
    # The same bytes under another name.
    tree({"ours/start.py": "import ours.part", "ours/part/__init__.py": "# edited"})
    assert code_digest.code_digest("ours.start") not in {first, edited}
    tree(TREE | {"ours/start.py": "import ours.leaf"})
    assert code_digest.code_digest("ours.start") == first


# --- The nodes of both graphs ---------------------------------------------------------------------

INGEST = {"ImageExampleGen", "UpstreamExampleGen"}
# The gate reads original files too.
READS = INGEST | {"ModelGate"}
TRAINERS = {"Upstream", "Pretrainer", "FinetuneTuner", "Finetuner"}
FINETUNERS = {"FinetuneTuner", "Finetuner"}
PREDICTS = {"Predictor", "ModelGate", "StudyCell"}
REPORTERS = {"Reporter", "StudyReporter"}
PUSHERS = {"Pusher", "EncoderPusher"}
OURS = (
    INGEST
    | TRAINERS
    | PREDICTS
    | REPORTERS
    | PUSHERS
    | {
        "ExampleValidator",
        "DataGate",
        "Evaluator",
    }
)
# TFX's own executors.
STOCK = {"StatisticsGen", "ImportSchemaGen"}

# File -> nodes that run again when it is edited; dependencies of dependencies, mostly.
RERUN = {
    "schemas/errors.py": OURS - {"ExampleValidator"},
    "schemas/features.py": OURS - PUSHERS,
    "components/pusher/publish.py": PUSHERS,
    "schemas/file_lock.py": PUSHERS,
    "components/image_example_gen/sources/public/chexpert.py": READS,
    "components/image_example_gen/sources/file_source.py": READS,
    "components/image_example_gen/synthetic/canvas.py": READS,
    "components/image_example_gen/decoding/polygons.py": READS,
    "components/image_example_gen/decoding/perceptual_hash.py": READS | {"DataGate"},
    "components/image_example_gen/writing/contract.py": {"DataGate"},
    "components/data_gate/checks/domain_shift.py": {"DataGate"},
    "components/example_validator/executor.py": {"ExampleValidator"},
    "trainer_modules/contrastive/ntxent.py": {"Pretrainer"},
    "trainer_modules/probes/neighbors.py": {"Pretrainer"},
    "trainer_modules/training/loop.py": TRAINERS,
    "trainer_modules/backbones/bit.py": TRAINERS | {"StudyCell"},
    "trainer_modules/augmentation/warp.py": TRAINERS | PREDICTS,
    "trainer_modules/weights/saved_model_guard.py": TRAINERS | PREDICTS,
    "trainer_modules/upstream.py": {"Upstream"},
    "trainer_modules/search.py": {"FinetuneTuner"},
    "trainer_modules/supervised/fit_classifier.py": FINETUNERS,
    "trainer_modules/supervised/selection.py": {"Upstream", *FINETUNERS},
    "trainer_modules/decisions/operating_point.py": {"Finetuner", "ModelGate"},
    "trainer_modules/decisions/calibration_metrics.py": {"Finetuner", "Evaluator"} | REPORTERS,
    "components/predictor/inference.py": PREDICTS,
    "components/predictor/embedding_table.py": PREDICTS | REPORTERS,
    "components/evaluator/score_table.py": {"Evaluator"},
    "components/statistics/bootstrap.py": REPORTERS,
    "components/model_gate/serving/serve_alone.py": {"ModelGate"},
    "components/shift_analysis/image_statistics.py": REPORTERS,
    "components/reporter/page/templates/page.css": REPORTERS,
    "components/reporter/executor.py": {"Reporter"},
    "components/label_efficiency/cell/labels.py": {"StudyCell"},
    "components/label_efficiency/report/templates/study.html": {"StudyReporter"},
    # What no node reads: the judge's policy outside a pipeline, the pipeline itself, and schemas,
    # which ImportSchemaGen is given under a name made from their content.
    "components/model_gate/policy/library/smoke.yaml": set(),
    "components/model_gate/standalone/judge.py": set(),
    "pipeline/config/config.py": set(),
    "schemas/cxr/schema.pbtxt": set(),
}


def built():
    """The nodes of the release and of the study, with everything optional; one of the cells."""
    from pipeline.graph.create_pipeline import create_pipeline
    from pipeline.graph.shared_nodes import Places
    from pipeline.graph.study_pipeline import create_study_pipeline

    optional = ["upstream.enabled=true", "upstream.task.labels=[opacity]"]
    config = load_config(preset="demo", overrides=[*optional, "finetune.search.enabled=true"])
    places = Places("/root", "/checkpoints", "/pushed", "/schema.pbtxt")
    nodes = {}
    for create in (create_study_pipeline, create_pipeline):
        pipeline = create(config, places, data_fingerprint="data", upstream_fingerprint="images")
        nodes |= {type(node).__name__: node for node in pipeline.components}
        nodes |= {node.id: node for node in pipeline.components}
    kinds = OURS | STOCK
    assert all(name in kinds or name.startswith("Cell-") or name in GENERIC for name in nodes)
    return {name: node for name, node in nodes.items() if name in kinds}


GENERIC = {"Trainer", "Tuner"}


def digest_of(node):
    properties = node.exec_properties
    if "code_digest" in properties:
        return properties["code_digest"]
    return (json.loads(properties.get("custom_config") or "null") or {}).get("code_digest")


def entries_of(node):
    """Where the node's own code starts, as TFX finds it."""
    properties = node.exec_properties
    named = properties.get("run_fn") or properties.get("tuner_fn")
    if named:
        return [named.rpartition(".")[0]]
    entries = [type(node).EXECUTOR_SPEC.executor_class.__module__]
    if "eval_config" in properties:
        metrics = json.loads(properties["eval_config"])["metrics_specs"]
        entries += sorted({one["module"] for spec in metrics for one in spec["metrics"]})
    return entries


@pytest.fixture(scope="module")
def nodes():
    return built()


@pytest.fixture(scope="module")
def closures(nodes):
    return {name: set(code_digest.closure(*entries_of(nodes[name]))) for name in OURS}


@pytest.mark.slow
def test_every_node_has_a_digest_unless_its_executor_is_tfx_own(nodes):
    assert set(nodes) == OURS | STOCK
    assert {name for name, node in nodes.items() if digest_of(node)} == OURS
    for name in STOCK:
        assert entries_of(nodes[name])[0].startswith("tfx.")


@pytest.mark.slow
@pytest.mark.parametrize("place", RERUN)
def test_an_edit_changes_the_digests_of_exactly_these_nodes(nodes, place, monkeypatch):
    edited, read = code_digest.ROOT / place, code_digest._read
    monkeypatch.setattr(
        code_digest, "_read", lambda path: read(path) + (b"\n# edited" if path == edited else b"")
    )
    changed = {name for name, node in built().items() if digest_of(node) != digest_of(nodes[name])}
    assert changed == RERUN[place]


def test_the_table_edits_files_that_there_are_and_something_of_every_node():
    assert [place for place in RERUN if not (code_digest.ROOT / place).is_file()] == []
    for name in OURS:
        assert [place for place, changed in RERUN.items() if changed == OURS or name in changed]
        assert [place for place, changed in RERUN.items() if name in changed != OURS]


IMPORTED = """
import importlib, json, os, sys
import keras, tensorflow_data_validation, tensorflow_model_analysis, tfx.v1
for entries in json.loads(sys.argv[1]):
    # Forked, because what one node has imported is there for the next.
    if os.fork() == 0:
        for entry in entries:
            importlib.import_module(entry)
        files = [m.__file__ for n, m in sys.modules.items() if n.split(".")[0] in sys.argv[2:]]
        print("FILES", json.dumps([os.path.relpath(file) for file in files if file]), flush=True)
        os._exit(0)
    os.wait()
"""


@pytest.mark.slow
def test_closures_hold_what_python_imports(nodes, closures):
    entries = [entries_of(nodes[name]) for name in sorted(OURS)]
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, json.dumps(entries), *PACKAGES],
        cwd=code_digest.ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("FILES ")]
    assert len(lines) == len(entries), done.stderr
    for name, line in zip(sorted(OURS), lines, strict=True):
        imported = set(json.loads(line.removeprefix("FILES ")))
        assert len(imported) > 3
        assert imported <= closures[name], name


class Finder(modulefinder.ModuleFinder):
    """Finds our imports in bytecode, without those under `if TYPE_CHECKING`."""

    def load_module(self, fqname, fp, pathname, file_info):
        if fp is not None:
            fp = io.BytesIO(fp.read().replace(b"if TYPE_CHECKING:", b"if False:"))
        return super().load_module(fqname, fp, pathname, file_info)


@pytest.mark.slow
def test_closures_are_what_the_standard_librarys_finder_finds(nodes, closures):
    from components.image_example_gen.sources.registry import _SOURCES

    # What is reached without an import statement.
    by_name = {
        **{name: [module for module, _ in _SOURCES.values()] for name in READS},
    }
    by_name["ModelGate"].append("components.model_gate.serving.serve_alone")
    for name in OURS:
        finder = Finder(path=[str(code_digest.ROOT)])
        for entry in [*entries_of(nodes[name]), *by_name.get(name, [])]:
            finder.import_hook(entry)
        files = {module.__file__ for module in finder.modules.values() if module.__file__}
        found = {str(code_digest.Path(file).relative_to(code_digest.ROOT)) for file in files}
        assert {place for place in closures[name] if place.endswith(".py")} == found, name


# It puts the digest of the modules that judge into the verdict; they take part by being imported.
DIGESTS_WHAT_JUDGES = "components/model_gate/provenance/record.py"


@pytest.mark.slow
def test_no_reference_in_a_closure_escapes_it(closures):
    """Modules by name have their full name in the source; `__file__` leads to a file beside."""
    for place in sorted(set().union(*closures.values())):
        if not place.endswith(".py"):
            continue
        source = (code_digest.ROOT / place).read_text()
        for node in ast.walk(ast.parse(source)):
            function = getattr(node, "func", None)
            name = getattr(function, "attr", getattr(function, "id", ""))
            if name in ("import_module", "__import__", "run_module", "run_path"):
                assert not isinstance(node.args[0], (ast.JoinedStr, ast.BinOp)), place
        if "__file__" in source and place != DIGESTS_WHAT_JUDGES:
            references = code_digest._references(place, source.encode())
            assert [t for t in references.texts if code_digest._files_beside(place, t)], place
