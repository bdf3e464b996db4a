"""Which settings, places and channels reach the nodes that judge, push and report."""

import pytest

from tests.pipeline.graph.conftest import settings_in

pytestmark = [pytest.mark.slow, pytest.mark.tfx]

MODEL = ("Finetuner", "model")
EXAMPLES = ("ImageExampleGen", "examples")
PREDICTIONS = ("Predictor", "predictions")


def test_every_node_is_in_the_graph(nodes):
    judges = {"Predictor", "Evaluator", "ModelGate", "Pusher", "EncoderPusher", "Reporter"}
    assert judges < set(nodes)
    assert len(nodes) == 15


def test_one_inference_of_the_finetuned_model(nodes, config, sources_of):
    node = nodes["Predictor"]
    assert sources_of(node) == {"model": MODEL, "examples": EXAMPLES}
    assert settings_in(node, "task") == config.task.model_dump(mode="json")
    assert settings_in(node, "subgroups") == ["age", "sex"]
    assert settings_in(node, "embeddings") == ["shifted"]


def test_tfma_judges_the_predictions_of_both_domains(nodes, sources_of):
    node = nodes["Evaluator"]
    assert sources_of(node) == {"examples": PREDICTIONS, "model": MODEL}
    assert settings_in(node, "example_splits") == ["test", "shifted"]
    config = settings_in(node, "eval_config")
    assert [spec.get("feature_keys") for spec in config["slicing_specs"]][3:5] == [
        ["domain", "subgroup/age"],
        ["domain", "subgroup/sex"],
    ]
    assert list(config["model_specs"][0]["label_keys"]) == ["edema", "effusion"]


def floors(node):
    """Every lower bound of the Evaluator's configuration, by slice."""
    return {
        tuple(spec.get("feature_values", {}).items()): threshold["threshold"]["value_threshold"][
            "lower_bound"
        ]
        for spec in settings_in(node, "eval_config")["metrics_specs"]
        for metric in spec["metrics"]
        for threshold in metric.get("per_slice_thresholds", [])
        for spec in threshold["slicing_specs"]
    }


def test_tfma_gets_the_thresholds_of_the_evaluation(nodes):
    assert floors(nodes["Evaluator"]) == {
        (): 0.51,
        (("domain", "in_distribution"),): 0.71,
        (("domain", "shifted"),): 0.61,
    }


def test_tfma_asks_nothing_of_shifted_data_that_may_be_absent(graph_of):
    nodes, _, _ = graph_of("gate.shifted.required=false")
    assert set(floors(nodes["Evaluator"])) == {(), (("domain", "in_distribution"),)}


def test_the_gate_judges_by_its_settings_against_what_is_pushed(nodes, config, sources_of):
    node = nodes["ModelGate"]
    assert sources_of(node) == {
        "model": MODEL,
        "examples": EXAMPLES,
        "predictions": PREDICTIONS,
        "evaluator_blessing": ("Evaluator", "blessing"),
        "ingest_report": ("ImageExampleGen", "ingest_report"),
    }
    assert settings_in(node, "settings") == config.gate.model_dump(mode="json")
    assert settings_in(node, "settings")["shifted"]["min_auc"] == 0.62
    assert settings_in(node, "settings")["in_distribution"]["min_auc"] == 0.81
    assert settings_in(node, "task") == config.task.model_dump(mode="json")
    assert settings_in(node, "subgroups") == ["age", "sex"]
    assert node.exec_properties["baseline_dir"] == "/pushed/classifier"


@pytest.mark.parametrize(
    ("name", "trainer", "folder"),
    [
        ("Pusher", "Finetuner", "/pushed/classifier"),
        ("EncoderPusher", "Pretrainer", "/pushed/encoder"),
    ],
)
def test_only_a_blessed_run_is_pushed(nodes, sources_of, name, trainer, folder):
    assert sources_of(nodes[name]) == {
        "model": (trainer, "model"),
        "model_blessing": ("ModelGate", "blessing"),
    }
    destination = settings_in(nodes[name], "push_destination")
    assert destination == {"filesystem": {"base_directory": folder}}


def test_a_required_signature_changes_the_pushers_alone(graph_of, sources_of):
    key = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"
    stock, _, _ = graph_of()
    nodes, _, _ = graph_of(f"push.public_key={key}")
    for name, judged in (("Pusher", True), ("EncoderPusher", False)):
        assert stock[name].exec_properties["custom_config"] == "null"
        assert sources_of(nodes[name]) == sources_of(stock[name])
        config = settings_in(nodes[name], "custom_config")
        assert (config["public_key"], config["judged"]) == (key, judged)
        assert len(config["code_digest"]) == 16
        assert nodes[name].EXECUTOR_SPEC != stock[name].EXECUTOR_SPEC
    gates = [one["ModelGate"].exec_properties for one in (stock, nodes)]
    assert gates[0] == gates[1]


def test_the_ledger_is_where_the_run_says(nodes):
    assert nodes["ModelGate"].exec_properties["ledger"] == ""


REPORTED = {
    "ingest_report": ("ImageExampleGen", "ingest_report"),
    "data_gate_report": ("DataGate", "data_gate_report"),
    "pretrain_run": ("Pretrainer", "model_run"),
    "finetune_run": ("Finetuner", "model_run"),
    "model": MODEL,
    "evaluation": ("Evaluator", "evaluation"),
    "predictions": PREDICTIONS,
    "gate_report": ("ModelGate", "gate_report"),
}


def test_the_report_gets_the_outputs_of_every_node(nodes, config, sources_of):
    assert sources_of(nodes["Reporter"]) == REPORTED | {
        "upstream_ingest_report": ("UpstreamExampleGen", "ingest_report"),
        "upstream_run": ("Upstream", "model_run"),
        "pushed_classifier": ("Pusher", "pushed_model"),
        "pushed_encoder": ("EncoderPusher", "pushed_model"),
    }
    assert settings_in(nodes["Reporter"], "run_settings") == config.model_dump(mode="json")


def test_an_evaluation_alone_pushes_nothing_and_reports_the_rest(graph_of, sources_of):
    nodes, _, _ = graph_of("push.enabled=false")
    assert not {"Pusher", "EncoderPusher"} & set(nodes)
    assert sources_of(nodes["Reporter"]) == REPORTED
