"""The names of nodes that are known without TFX are those of the pipelines."""

import pytest

from pipeline.config.config import load_config, preset_names
from pipeline.graph.node_names import FIRST, release_nodes, study_nodes

pytestmark = [pytest.mark.slow, pytest.mark.tfx]

NEEDED = {
    "cxr": ("data.root=/d", "model.init.path=/w.npz"),
    "pathology": ("data.root=/d", "model.init.path=/w.npz"),
}
UPSTREAM = ("upstream.enabled=true", "upstream.task.labels=[wheel]")
SEARCH = "finetune.search.enabled=true"


def built(create, *overrides):
    config = load_config(preset="demo", overrides=overrides)
    return config, pipeline(create, config)


def pipeline(create, config):
    from pipeline.graph import create_pipeline, study_pipeline
    from pipeline.graph.shared_nodes import Places

    module = study_pipeline if "study" in create else create_pipeline
    places = Places("/root", "/checkpoints", "/pushed", "/schema.pbtxt")
    return getattr(module, create)(config, places, data_fingerprint="data").components


@pytest.mark.parametrize(
    "overrides", [(), ("push.enabled=false",), UPSTREAM, (SEARCH,), (*UPSTREAM, SEARCH)]
)
def test_release(overrides):
    config, nodes = built("create_pipeline", *overrides)
    assert sorted(release_nodes(config)) == sorted(node.id for node in nodes)


@pytest.mark.parametrize("preset", preset_names())
def test_presets(preset):
    needed = NEEDED.get(preset, () if preset == "demo" else ("data.root=/d",))
    config = load_config(preset=preset, overrides=needed)
    names = sorted(node.id for node in pipeline("create_pipeline", config))
    assert sorted(release_nodes(config)) == names


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("study.arms=[remedis,random]", "study.fractions=[0.015,1]"),
        ("study.shifted_fractions=[]", "study.seeds=[7]"),
        (*UPSTREAM, "study.arms=[bit,remedis]"),
    ],
)
def test_study(overrides):
    config, nodes = built("create_study_pipeline", *overrides)
    assert sorted(study_nodes(config)) == sorted(node.id for node in nodes)


def test_first_nodes_read_no_other():
    _, nodes = built("create_pipeline", *UPSTREAM)
    assert set(FIRST) == {node.id for node in nodes if not node.inputs} - {"UpstreamExampleGen"}
