"""Which settings, places and channels reach the nodes up to the encoder."""

import json

import pytest

from tests.pipeline.graph.conftest import UPSTREAM, settings_in

pytestmark = [pytest.mark.slow, pytest.mark.tfx]


def test_every_node_is_in_the_graph(nodes):
    assert {
        "ImageExampleGen",
        "StatisticsGen",
        "ImportSchemaGen",
        "ExampleValidator",
        "DataGate",
        "UpstreamExampleGen",
        "Upstream",
        "Pretrainer",
    } < set(nodes)


def test_ingestion_gets_the_runs_own_data(nodes, config):
    properties = nodes["ImageExampleGen"].exec_properties
    assert settings_in(nodes["ImageExampleGen"], "data") == config.data.model_dump(mode="json")
    assert settings_in(nodes["ImageExampleGen"], "task") == config.task.model_dump(mode="json")
    assert properties["seed"] == 17
    assert properties["data_fingerprint"] == "data"
    assert properties["id_key_file"] == "/keys/id"


def test_upstream_ingestion_gets_images_of_its_own(nodes, config):
    node = nodes["UpstreamExampleGen"]
    assert settings_in(node, "data") == config.upstream.data.model_dump(mode="json")
    assert settings_in(node, "data")["stored_size"] == 48
    assert settings_in(node, "task")["labels"] == ["wheel"]
    assert node.exec_properties["seed"] == 17
    assert node.exec_properties["data_fingerprint"] == "images"
    assert node.exec_properties["id_key_file"] == "/keys/id"


def test_statistics_are_of_everything_but_the_images(nodes):
    options = json.loads(nodes["StatisticsGen"].exec_properties["stats_options_json"])
    allowed = set(options["_feature_allowlist"])
    assert {"label/edema", "label/effusion", "domain", "site", "subgroup/age"} <= allowed
    assert not {name for name in allowed if name.startswith("image/encoded")}


def test_the_curated_schema_is_imported(nodes):
    assert nodes["ImportSchemaGen"].exec_properties["schema_file"] == "/schema.pbtxt"


def test_validation_compares_statistics_with_the_schema(nodes, sources_of):
    assert sources_of(nodes["ExampleValidator"]) == {
        "statistics": ("StatisticsGen", "statistics"),
        "schema": ("ImportSchemaGen", "schema"),
    }
    assert sources_of(nodes["StatisticsGen"]) == {"examples": ("ImageExampleGen", "examples")}


def test_the_data_gate_sees_everything_about_the_data(nodes, config, sources_of):
    node = nodes["DataGate"]
    assert sources_of(node) == {
        "examples": ("ImageExampleGen", "examples"),
        "statistics": ("StatisticsGen", "statistics"),
        "anomalies": ("ExampleValidator", "anomalies"),
        "schema": ("ImportSchemaGen", "schema"),
        "ingest_report": ("ImageExampleGen", "ingest_report"),
    }
    assert settings_in(node, "settings") == config.data_gate.model_dump(mode="json")
    assert settings_in(node, "settings")["min_per_class"] == 9
    assert settings_in(node, "task") == config.task.model_dump(mode="json")
    assert node.exec_properties["passed_data"] == "/passed/data"


def test_the_data_gate_knows_what_the_model_gate_requires(graph_of):
    policy = (
        "gate={in_distribution: {min_patients: 31}, shifted: {required: false}, "
        "min_patients_per_class: 7}"
    )
    nodes, config, _ = graph_of(policy)
    needs = settings_in(nodes["DataGate"], "gate_needs")
    for domain, given in needs.items():
        rules = getattr(config.gate, domain)
        assert (given["required"], given["min_patients"]) == (rules.required, rules.min_patients)
        assert given["min_patients_per_class"] == 7
    assert needs["in_distribution"]["min_patients"] == 31
    assert needs["shifted"]["required"] is False


def test_nothing_is_trained_before_the_data_gate_has_passed(nodes):
    assert nodes["DataGate"] in nodes["UpstreamExampleGen"].upstream_nodes
    assert nodes["DataGate"] in nodes["Pretrainer"].upstream_nodes


def splits_of(node):
    return tuple(settings_in(node, name)["splits"] for name in ("train_args", "eval_args"))


def test_the_first_training_is_on_labeled_natural_images(nodes, config, sources_of):
    node = nodes["Upstream"]
    assert node.exec_properties["run_fn"] == "trainer_modules.upstream.run_fn"
    assert sources_of(node) == {"examples": ("UpstreamExampleGen", "examples")}
    assert splits_of(node) == (["train"], ["validation"])
    custom = settings_in(node, "custom_config")
    assert custom["settings"]["upstream"] == config.upstream.training.model_dump(mode="json")
    assert custom["settings"]["upstream"]["epochs"] == 5
    assert custom["settings"]["task"]["labels"] == ["wheel"]
    assert custom["checkpoint_root"] == "/checkpoints"


def test_pretraining_goes_on_from_the_first_training(nodes, config, sources_of):
    node = nodes["Pretrainer"]
    assert node.exec_properties["run_fn"] == "trainer_modules.pretrain.run_fn"
    assert sources_of(node) == {
        "examples": ("ImageExampleGen", "examples"),
        "base_model": ("Upstream", "model"),
    }
    assert splits_of(node) == (["unlabeled"], ["validation"])
    custom = settings_in(node, "custom_config")
    assert custom["settings"]["pretrain"] == config.pretrain.model_dump(mode="json")
    assert custom["settings"]["task"] == config.task.model_dump(mode="json")
    assert custom["checkpoint_root"] == "/checkpoints"


def test_without_upstream_pretraining_starts_from_its_own_weights(graph_of, sources_of):
    nodes, _, _ = graph_of()
    assert sources_of(nodes["Pretrainer"]) == {"examples": ("ImageExampleGen", "examples")}
    assert not {"Upstream", "UpstreamExampleGen"} & set(nodes)
    assert nodes["DataGate"] in nodes["Pretrainer"].upstream_nodes


def test_the_pipeline_has_the_runs_name_root_and_engine(built, graph_of):
    pipeline = built[2]
    assert pipeline.pipeline_info.pipeline_name == "other"
    assert pipeline.pipeline_info.pipeline_root == "/root"
    assert pipeline.enable_cache is True
    assert pipeline.beam_pipeline_args[0] == "--runner=FnApiRunner"
    assert pipeline.metadata_connection_config is None
    _, _, stored = graph_of(metadata_path="/metadata.sqlite")
    assert stored.metadata_connection_config.sqlite.filename_uri == "/metadata.sqlite"


def test_ingestion_writes_files_itself_and_stays_out_of_dataflow(graph_of):
    from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

    dataflow = (
        "runner: dataflow",
        "project: hospital-1",
        "region: europe-west4",
        "temp_location: 'gs://bucket/tmp'",
        "image: 'example.com/beam:1'",
    )
    nodes, _, pipeline = graph_of(*UPSTREAM, "beam={" + ", ".join(dataflow) + "}")
    assert pipeline.beam_pipeline_args[0] == "--runner=DataflowRunner"
    for name in ("ImageExampleGen", "UpstreamExampleGen"):
        # TFX puts the pipeline's arguments before the node's own; Beam takes the last.
        options = PipelineOptions(nodes[name].executor_spec.beam_pipeline_args)
        assert options.view_as(StandardOptions).runner == "FnApiRunner"
