"""The documented runs, on little data or to an early node, and the commands that need a run."""

import json
import re
import shlex
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.components.model_gate.verification.test_minisign import PLAIN, PLAIN_KEY
from tests.docs.commands import COMMANDS, INCOMPLETE, ROOT, block
from tests.docs.rules import of

pytestmark = [pytest.mark.slow, pytest.mark.e2e]

WEIGHTS = "--set model.init.path=/weights/BiT-M-R50x1.npz"  # "also need", says the README
# Which made data set has a name in the documentation, and what its few images need.
SLIDES = ("data.slides.tile_size=64", "data.slides.most_tiles=4")
BROKEN = ("data.max_broken_fraction=0.5", "data.max_unmatched_fraction=0.5")
PETS = ("data.tfds.name=tiny_pets", "task.kind=multiclass", "task.classes=[cat, small_dog]")
DATA = {
    "/data/cxr": ("films",),
    "/mnt/remedis/data": ("findings",),
    "/data/chexpert": ("findings",),
    "/data/cifar10": ("natural",),
    "/data/chest_xray": ("folders",),
    "/data/CheXpert-v1.0-small": ("chexpert",),
    "/data/mimic-cxr-jpg": ("mimic_cxr",),
    "/data/nih": ("nih_cxr14",),
    "/data/CAMELYON16": ("camelyon16", *SLIDES),
    "/data/CAMELYON17": ("camelyon17", *SLIDES),
    "/data/camelyon17_v1.0": ("camelyon17_wilds",),
    "/data/pcam": ("patches",),
    "/data/tensorflow_datasets": ("prepared", *PETS),
    "/data/records": ("records",),
    "/data/pacs": ("archive", "task.kind=binary", "task.labels=[effusion]", *BROKEN),
}
# A pipeline of seconds, whose gate asks for what noise can give.
SHORT = (
    "model.image_size=32",
    "model.units=[1]",
    "model.root_filters=8",
    "upstream.epochs=1",
    "pretrain.epochs=1",
    "pretrain.batch_size=64",
    "finetune.epochs=1",
    "finetune.batch_size=32",
    "predictor.embeddings=[test,shifted]",
    "evaluation.min_auc=0",
    "evaluation.min_auc_in_distribution=0",
    "evaluation.min_auc_shifted=0",
    "evaluation.max_domain_gap=1",
    "gate.in_distribution={min_auc: 0, min_patients: 20}",
    "gate.shifted={min_auc: 0, min_patients: 20}",
    "gate.max_gap=1",
    "gate.max_regression=1",
    "gate.subgroups={min_auc: 0, max_regression: 1}",
    "study.arms=[remedis,random]",
    "study.fractions=[1]",
    "study.shifted_fractions=[]",
    "study.seeds=[0]",
    "study.steps=3",
    "study.batch_size=16",
    "study.learning_rates=[0.003]",
    "study.resamples=100",
)
# How far a run goes, by its output folder; others end after ingestion. None: to where it is told.
EXTENT = {
    "runs/cxr": None,
    "runs/cxr-probe": None,
    "runs/cxr-upstream": "Upstream",
    "runs/cxr-study": "UpstreamExampleGen",
    "/mnt/remedis/runs/cxr": None,
}


@pytest.fixture
def local(request, workplace):
    """Runs a command of local_runner.py, shrunk."""

    def run(text: str, *more: str) -> str:
        words = shlex.split(text.replace(" SECTION", " gate"))[1:]
        if text.startswith(INCOMPLETE) and {"cxr", "pathology"} & set(words):
            words += shlex.split(WEIGHTS)
        output = words[words.index("--output") + 1] if "--output" in words else ""
        for name, (fixture, *settings) in DATA.items():
            if any(re.search(rf"{re.escape(name)}$", word) for word in words):
                made = request.getfixturevalue(fixture)
                words = [re.sub(rf"{re.escape(name)}$", str(made), word) for word in words]
                more += tuple(settings)
        assert not any("=/data/" in word for word in words), (
            "make this data set, and name it in DATA"
        )
        if output:
            extent = EXTENT.get(output, "ImageExampleGen")
            words += ["--to-node", extent] if extent and "--to-node" not in words else []
            more += SHORT
        words += [part for setting in more for part in ("--set", setting)]
        status, screen = workplace.run(words)
        assert status == 0, screen
        return screen

    return run


@pytest.fixture(scope="session")
def made_run(workplace, films):
    """What the README's first run leaves."""
    words = f"local_runner.py --preset cxr-small --set data.root={films} --output runs/cxr"
    more = [part for setting in SHORT for part in ("--set", setting)]
    status, screen = workplace.run([*words.split(), *more])
    assert status == 0, screen
    return workplace.folder / "runs/cxr"


@of("local")
def test_local_runs(one, local, made_run):
    local(one.text)


@of("probe")
def test_probes(one, local, workplace, made_run):
    folder = one.words[one.words.index("--run") + 1]
    if not (workplace.folder / folder / "config.yaml").exists():
        local(next(c.text for c in COMMANDS if f"--output {folder}" in c.text))
    status, screen = workplace.run(one.words[1:])
    assert status == 0, screen
    assert "encoder, test" in screen


@of("tool")
def test_tools_on_a_run(one, workplace, made_run, tmp_path):
    text = one.text.replace(
        "'<StatisticsGen' 'artifact>'", "RUN/artifacts/StatisticsGen/statistics/N"
    )
    text = text.replace("schemas/<name>/", f"{tmp_path}/")
    status, screen = workplace.run([_newest(made_run, word) for word in shlex.split(text)[1:]])
    assert status == 0, screen


def _newest(run, word):
    """A word with the newest artifact or version for N and V in `RUN/.../N`."""
    found = re.fullmatch(r"(RUN/.+?/)[NV](/.*)?", word)
    if not found:
        return word
    folder = run / found[1].removeprefix("RUN/")
    return f"{max(folder.iterdir(), key=lambda one: int(one.name))}{found[2] or ''}"


@pytest.fixture(scope="session")
def tables(workplace):
    """What the page about the gate has before its commands: predictions and a policy."""
    from sklearn.linear_model import LogisticRegression

    random = np.random.default_rng(0)
    severity = random.normal(size=3000)
    test = pd.DataFrame(
        {
            "patient_id": [f"p{n}" for n in range(3000)],
            "domain": np.where(np.arange(3000) < 2000, "in_distribution", "shifted"),
            "label": (severity + 0.5 * random.normal(size=3000) > 0).astype(int),
            "site": np.where(np.arange(3000) % 2, "north", "south"),
            "sex": np.where(np.arange(3000) % 3, "F", "M"),
            "marker": severity,
        }
    )
    model = LogisticRegression().fit(test[["marker"]], test["label"])
    code = block("docs/model_gate.md", "python")
    code = code.replace('"predictions.csv"', repr(str(workplace.folder / "predictions.csv")))
    exec(code, {"test": test, "model": model, "inputs": ["marker"]})
    table = pd.read_csv(workplace.folder / "predictions.csv")
    table.to_parquet(workplace.folder / "predictions.parquet")
    (workplace.folder / "policy.yaml").write_text(block("docs/model_gate.md", "yaml"))
    return workplace


@pytest.fixture(scope="session")
def judged(tables, made_run):
    """The same, and an exported model."""
    workplace = tables
    for name, place in (
        ("exported", "RUN/pushed/classifier/V"),
        ("examples", "RUN/artifacts/ImageExampleGen/examples/N"),
    ):
        shutil.copytree(_newest(made_run, place), workplace.folder / name)
    # An earlier model of the same task; an equal one is not taken for a baseline.
    earlier = shutil.copytree(workplace.folder / "exported", workplace.folder / "pushed/1")
    (earlier / "variables/of-another-run").touch()
    return workplace


@pytest.fixture(scope="session")
def signed(judged):
    """The same with a verdict that is signed."""
    (judged.folder / "minisign.key").write_text(PLAIN)
    (judged.folder / "minisign.pub").write_text(PLAIN_KEY)
    table = ["--predictions", "predictions.parquet", "--policy", "policy.yaml"]
    judged.run(["-m", "components.model_gate", *table, "--output", "verdict.json"])
    status, screen = judged.run(
        ["-m", "components.model_gate", "sign", "verdict.json", "--key", "minisign.key"]
    )
    assert status == 0, screen
    return judged


@of("gate")
def test_the_gate_as_a_tool(one, judged, request):
    if one.words[3] in ("sign", "verify"):
        status, screen = request.getfixturevalue("signed").run(one.words[1:])
        assert status == 0, screen
        return
    status, screen = judged.run(one.words[1:])
    # The model of noise is refused, as it should be, and so is a table without the policy's slice.
    expected = 0 if one.words[-1] == "predictions.csv" else 4
    assert status == expected, screen
    assert json.loads(screen[screen.index("{\n") :])["blessed"] == (expected == 0)
    if "--output" in one.words:
        assert (judged.folder / one.words[one.words.index("--output") + 1]).exists()


@of("plan")
def test_plans_of_test_sets(one, judged):
    status, screen = judged.run(one.words[1:])
    # The model of the tables is far better than the policy asks for.
    assert status == 0, screen
    assert "Assumed:" in screen or "| assumption |" in screen
    assert re.search(r"in.?_distribution: \d+ patients, \d+ with the finding", screen)


@pytest.fixture(scope="session")
def released(tables):
    """The verdict on a model that was released, and patients of a later month."""
    words = "-m components.model_gate --output blessed.json --predictions predictions.csv"
    status, screen = tables.run(words.split())
    assert status == 0, screen
    table = pd.read_csv(tables.folder / "predictions.csv")
    new = table[table["domain"] == "in_distribution"].drop(columns=["domain", "label"])[:400]
    new.to_csv(tables.folder / "march.csv", index=False)
    return tables


@of("monitor")
def test_monitoring(one, released):
    status, screen = released.run(one.words[1:])
    assert status == 0, screen
    assert json.loads(screen[screen.index("{\n") :])["status"] == "no_alarm"
    for option in ("--output", "--page", "--history"):
        if option in one.words:
            assert (released.folder / one.words[one.words.index(option) + 1]).exists()


@pytest.fixture(scope="session")
def new_images(workplace, made_run, films):
    """Images for the model of the README's first run, and its push destination."""
    shutil.copytree(films / "images", workplace.folder / "new_images")
    shutil.copytree(films, workplace.folder / "new")
    shutil.copytree(made_run / "pushed", workplace.folder / "pushed", dirs_exist_ok=True)
    return workplace


@of("predict")
def test_predictions(one, new_images, tmp_path):
    # Elsewhere, because the page about the gate has a table of this name.
    assert one.words[-2] == "--output"
    output = tmp_path / one.words[-1]
    status, screen = new_images.run([*one.words[1:-1], str(output)])
    assert status == 0, screen
    assert "320 images predicted, 0 left out" in screen
    assert output.exists()


def test_predictions_from_python(new_images, monkeypatch, capsys):
    monkeypatch.chdir(new_images.folder)
    exec(block("docs/predict.md", "python"), {})
    assert "left_out" in capsys.readouterr().out


def test_the_combined_configuration(workplace, request):
    """docs/sources.md: a copy of a preset with its list of data sets."""
    data = yaml.safe_load(block("docs/sources.md", "yaml"))["data"]
    for part in data["parts"]:
        part["root"] = str(request.getfixturevalue(DATA[part["root"]][0]))
    preset = yaml.safe_load((ROOT / "pipeline/config/presets/cxr.yaml").read_text())
    films = preset | {"data": data, "model": {"image_size": 224}}
    (workplace.folder / "films.yaml").write_text(yaml.safe_dump(films))
    words = "local_runner.py --config films.yaml --output runs/films --to-node ImageExampleGen"
    status, screen = workplace.run(words.split())
    assert status == 0, screen
