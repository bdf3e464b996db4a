"""Which cells a study has, and where each one starts from."""

import pytest

from pipeline.config.config import load_config
from schemas.errors import InputError

pytestmark = [pytest.mark.slow, pytest.mark.tfx]

STUDY = ("study.fractions=[0.1,1]", "study.shifted_fractions=[0.5,1]", "study.seeds=[3,4]")
ARMS = ("remedis", "bit", "random")
WEIGHTS = ("model.init.source=encoder", "model.init.path=/weights/encoder.weights.h5")


def built(*overrides):
    from pipeline.graph.shared_nodes import Places
    from pipeline.graph.study_pipeline import create_study_pipeline

    config = load_config(preset="demo", overrides=[*STUDY, *overrides])
    places = Places("/root", "/checkpoints", "/pushed", "/schema.pbtxt")
    pipeline = create_study_pipeline(config, places, data_fingerprint="data")
    return {node.id: node for node in pipeline.components}


def producer(node, name):
    channel = node.inputs.get(name)
    return channel.producer_component_id if channel is not None else None


@pytest.fixture(scope="module")
def nodes():
    return built(*WEIGHTS)


def test_a_cell_for_each_arm_share_and_seed(nodes):
    cells = {name for name in nodes if name.startswith("Cell-")}
    shares = ("labels10", "labels100", "shifted50", "shifted100")
    assert cells == {
        f"Cell-{arm}-{share}pct-seed{seed}" for arm in ARMS for share in shares for seed in (3, 4)
    }


def test_data_and_encoder_are_the_release_pipelines(nodes):
    from pipeline.graph.create_pipeline import create_pipeline
    from pipeline.graph.shared_nodes import Places

    config = load_config(preset="demo", overrides=[*STUDY, *WEIGHTS])
    places = Places("/root", "/checkpoints", "/pushed", "/schema.pbtxt")
    release = create_pipeline(config, places, data_fingerprint="data")
    shared = [node for node in release.components if node.id in nodes]
    assert {"ImageExampleGen", "DataGate", "Pretrainer"} < {node.id for node in shared}
    for node in shared:
        assert nodes[node.id].exec_properties == node.exec_properties


def test_first_weights_by_arm(nodes):
    def init(arm):
        return '"source":"encoder"' in nodes[f"Cell-{arm}-labels10pct-seed3"].exec_properties[
            "model"
        ].replace(" ", "")

    first = {arm: producer(nodes[f"Cell-{arm}-labels10pct-seed3"], "encoder") for arm in ARMS}
    assert first == {"remedis": "Pretrainer", "bit": None, "random": None}
    assert (init("bit"), init("random")) == (True, False)


def test_upstream_encoder_is_where_simclr_and_the_bit_arm_start_from():
    nodes = built("upstream.enabled=true", "upstream.task.labels=[opacity]")
    first = {arm: producer(nodes[f"Cell-{arm}-labels10pct-seed3"], "encoder") for arm in ARMS}
    assert first == {"remedis": "Pretrainer", "bit": "Upstream", "random": None}


@pytest.mark.parametrize("arm", ARMS)
def test_first_seed_searches_and_adaptation_goes_on_from_all_labels(nodes, arm):
    def inputs(name):
        node = nodes[f"Cell-{arm}-{name}"]
        return producer(node, "searched"), producer(node, "start")

    assert inputs("labels10pct-seed3") == (None, None)
    assert inputs("labels10pct-seed4") == (f"Cell-{arm}-labels10pct-seed3", None)
    whole = f"Cell-{arm}-labels100pct-seed"
    assert inputs("shifted50pct-seed3") == (f"{whole}3", f"{whole}3")
    assert inputs("shifted50pct-seed4") == (f"{whole}3", f"{whole}4")


def test_only_cells_that_others_start_from_keep_their_weights(nodes):
    def kept(graph):
        return {
            name
            for name, node in graph.items()
            if name.startswith("Cell-") and node.exec_properties["keep_weights"]
        }

    whole = {f"Cell-{arm}-labels100pct-seed{seed}" for arm in ARMS for seed in (3, 4)}
    assert kept(nodes) == whole
    assert kept(built(*WEIGHTS, "study.shifted_fractions=[]")) == set()


def test_everything_waits_for_the_data_gate(nodes):
    for name, node in nodes.items():
        if name.startswith("Cell-"):
            assert nodes["DataGate"] in node.upstream_nodes


def test_a_new_share_leaves_the_other_cells_as_they_are(nodes):
    more = built(*WEIGHTS, "study.fractions=[0.1,0.3,1]", "study.resamples=500")
    for name, node in nodes.items():
        if name.startswith("Cell-"):
            assert more[name].exec_properties == node.exec_properties


def test_arm_that_would_be_the_random_one_is_left_out_and_named():
    nodes = built()
    assert not [name for name in nodes if "-bit-" in name]
    assert "random weights" in nodes["StudyReporter"].exec_properties["left_out"]


def test_nothing_left_to_compare_with_is_refused():
    with pytest.raises(InputError, match=r"study\.arms .* add 'random'"):
        built("study.arms=[remedis,bit]")


def test_settings_that_cells_would_ignore_are_refused():
    with pytest.raises(InputError, match=r"finetune\.recipe=bit_hyperrule"):
        built("finetune.recipe=bit_hyperrule")
