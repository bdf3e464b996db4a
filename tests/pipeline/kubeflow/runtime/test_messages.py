"""Executor inputs shaped like each orchestrator's, and the answer mapped back."""

import json

import pytest
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2 as spec

from pipeline.kubeflow.runtime.messages import (
    LocalCopies,
    apply_runtime_settings,
    prepare_input,
    restore_uris,
)

MODEL = {"instanceSchema": "title: tfx.Model\ntype: object\n"}
BLESSING = {"instanceSchema": "title: tfx.ModelBlessing\ntype: object\n"}
REPORT = {"instanceSchema": "title: components.GateReport\ntype: object\n"}
INPUTS = {
    "artifacts": {"model": {"artifactType": MODEL}, "model_blessing": {"artifactType": BLESSING}},
    "parameters": {"count": {"parameterType": "NUMBER_INTEGER"}},
}
OUTPUTS = {"artifacts": {"gate_report": {"artifactType": REPORT}}}


def _artifact(kind, uri, name="7", metadata=None):
    artifact = {"name": name, "uri": uri, "metadata": metadata or {}}
    return {"artifacts": [{**artifact, "type": kind} if kind else artifact]}


def _message(kind, uri, outputs=None, parameters=None, output_type=REPORT):
    """An executor input with one model, as `kind` of orchestrator types it."""
    return {
        "inputs": {
            "artifacts": {"model": _artifact(kind, f"{uri}/1/model")},
            "parameterValues": parameters or {},
        },
        "outputs": {
            "artifacts": {
                "gate_report": _artifact(output_type, f"{uri}/2/report"),
                **(outputs or {}),
            },
            "outputFile": "/tmp/kfp_outputs/output_metadata.json",
        },
    }


# What each driver makes of an artifact's type, and where it says the artifact is.
KFP_DRIVER = ({"instanceSchema": ""}, "minio://mlpipeline/v2/artifacts/demo")
KFP_S3 = ({"instanceSchema": ""}, "s3://bucket/root")
KFP_GCS = ({"instanceSchema": ""}, "gs://bucket/root")
KFP_OF_MLMD = ({"schemaTitle": "system.Artifact"}, "minio://mlpipeline/v2/artifacts/demo")
KFP_UNTYPED = (None, "minio://mlpipeline/v2/artifacts/demo")
VERTEX = (MODEL, "gs://bucket/1234/run")


def _prepared(raw, root):
    message = json_format.ParseDict(raw, spec.ExecutorInput(), ignore_unknown_fields=True)
    copies = LocalCopies(str(root))
    prepare_input(
        message,
        json_format.ParseDict(INPUTS, spec.ComponentInputsSpec()),
        json_format.ParseDict(OUTPUTS, spec.ComponentOutputsSpec()),
        copies,
    )
    return message, copies


@pytest.mark.parametrize(
    ("shape", "folder"),
    [
        (KFP_DRIVER, "minio/mlpipeline/v2/artifacts/demo"),
        (KFP_OF_MLMD, "minio/mlpipeline/v2/artifacts/demo"),
        (KFP_UNTYPED, "minio/mlpipeline/v2/artifacts/demo"),
        (KFP_S3, "s3/bucket/root"),
        (KFP_GCS, "gcs/bucket/root"),
        (VERTEX, "gcs/bucket/1234/run"),
    ],
)
def test_types_are_restored_and_uris_are_the_launchers_copies(shape, folder, tmp_path):
    message, _ = _prepared(_message(*shape), tmp_path)
    model = message.inputs.artifacts["model"].artifacts[0]
    assert model.type.instance_schema == MODEL["instanceSchema"]
    assert model.uri == str(tmp_path / folder / "1/model")
    report = message.outputs.artifacts["gate_report"].artifacts[0]
    assert report.uri == str(tmp_path / folder / "2/report")


def test_kfp_local_paths_stay_and_types_are_restored(tmp_path):
    message, _ = _prepared(_message({"schemaTitle": "system.Artifact"}, str(tmp_path)), tmp_path)
    model = message.inputs.artifacts["model"].artifacts[0]
    assert model.uri == f"{tmp_path}/1/model"
    assert model.type.instance_schema == MODEL["instanceSchema"]


def test_output_types_are_restored(tmp_path):
    message, _ = _prepared(_message(*KFP_DRIVER, output_type={"instanceSchema": ""}), tmp_path)
    report = message.outputs.artifacts["gate_report"].artifacts[0]
    assert report.type.instance_schema == REPORT["instanceSchema"]


def test_folders_of_outputs_and_of_empty_inputs_exist(tmp_path):
    message, _ = _prepared(_message(*KFP_DRIVER), tmp_path)
    assert (tmp_path / "minio/mlpipeline/v2/artifacts/demo/2/report").is_dir()
    assert (tmp_path / "minio/mlpipeline/v2/artifacts/demo/1/model").is_dir()
    assert message.outputs.output_file == "/tmp/kfp_outputs/output_metadata.json"


def test_directory_marker_at_the_end_of_a_uri(tmp_path):
    raw = _message(*KFP_DRIVER)
    raw["inputs"]["artifacts"]["model"]["artifacts"][0]["uri"] += "/"
    message, copies = _prepared(raw, tmp_path)
    local = message.inputs.artifacts["model"].artifacts[0].uri
    assert local.endswith("/1/model")
    assert copies.uri(local) == f"{KFP_DRIVER[1]}/1/model/"
    assert copies.uri(f"{local}/a") == f"{KFP_DRIVER[1]}/1/model/a"


def test_oci_models_lie_where_the_launcher_links_them(tmp_path):
    copies = LocalCopies(str(tmp_path))
    local = copies.path("oci://registry.example/team/model:1")
    assert local == str(tmp_path / "oci/registry.example_team_model:1/models")
    assert copies.uri(local) == "oci://registry.example/team/model:1"


def test_custom_path_of_an_artifact_is_used(tmp_path):
    raw = _message(*KFP_DRIVER)
    raw["inputs"]["artifacts"]["model"]["artifacts"][0]["customPath"] = "/mnt/models/m"
    message, copies = _prepared(raw, tmp_path)
    assert message.inputs.artifacts["model"].artifacts[0].uri == "/mnt/models/m"
    assert copies.uri("/mnt/models/m") == f"{KFP_DRIVER[1]}/1/model"


@pytest.mark.parametrize("empty", [{}, {"artifacts": []}, {"artifacts": [{}]}])
def test_missing_optional_input_is_left_out(empty, tmp_path):
    raw = _message(*KFP_DRIVER)
    raw["inputs"]["artifacts"]["model_blessing"] = empty
    message, _ = _prepared(raw, tmp_path)
    assert list(message.inputs.artifacts) == ["model"]


def test_artifact_of_a_scheme_that_the_step_reads_itself_stays_where_it_is(tmp_path):
    copies = LocalCopies(str(tmp_path), ("gs",))
    assert copies.path("gs://bucket/a") == "gs://bucket/a"
    assert copies.path("s3://bucket/a") == str(tmp_path / "s3/bucket/a")
    assert copies.uri("gs://bucket/a") == "gs://bucket/a"


def test_missing_optional_parameter_is_left_out(tmp_path):
    message, _ = _prepared(_message(*KFP_DRIVER, parameters={"count": None, "a": ""}), tmp_path)
    assert list(message.inputs.parameter_values) == ["a"]


def test_outputs_of_the_launcher_are_not_shown_to_the_step(tmp_path):
    logs = {"executor-logs": _artifact({"schemaTitle": "system.Artifact"}, "minio://b/logs")}
    message, _ = _prepared(_message(*KFP_DRIVER, outputs=logs), tmp_path)
    assert list(message.outputs.artifacts) == ["gate_report"]


def test_artifact_without_a_name_gets_one_that_tells_it_apart(tmp_path):
    raw = _message(*KFP_DRIVER)
    raw["inputs"]["artifacts"]["model"]["artifacts"][0]["name"] = ""
    message, _ = _prepared(raw, tmp_path)
    assert message.inputs.artifacts["model"].artifacts[0].name == f"{KFP_DRIVER[1]}/1/model"


def test_answer_has_the_launchers_uris_in_artifacts_and_metadata(tmp_path):
    message, copies = _prepared(_message(*KFP_DRIVER), tmp_path)
    model = message.inputs.artifacts["model"].artifacts[0].uri
    report = message.outputs.artifacts["gate_report"].artifacts[0].uri
    metadata = {"current_model": model, "blessed": 1.0, "pushed_destination": "/mnt/remedis/x"}
    answer = json_format.ParseDict(
        {"artifacts": {"gate_report": _artifact(None, report, metadata=metadata)}},
        spec.ExecutorOutput(),
    )
    restore_uris(answer, copies)
    restored = answer.artifacts["gate_report"].artifacts[0]
    assert restored.uri == f"{KFP_DRIVER[1]}/2/report"
    assert json_format.MessageToDict(restored.metadata) == {
        "current_model": f"{KFP_DRIVER[1]}/1/model",
        "blessed": 1.0,
        "pushed_destination": "/mnt/remedis/x",
    }


def _parameters(**values):
    return json_format.ParseDict(
        {"parameterValues": values}, spec.ExecutorInput.Inputs()
    ).parameter_values


def test_run_parameters_go_where_they_belong():
    values = _parameters(
        custom_config=json.dumps({"settings": {"pretrain": {"epochs": 100, "rate": 0.5}}}),
        baseline_dir="/old/classifier",
        run_epochs=3,
        run_rate=0.25,
        run_destination="/new",
    )
    config = ["custom_config", "settings", "pretrain"]
    found = apply_runtime_settings(
        values,
        {
            "run_epochs": [{"path": [*config, "epochs"], "suffix": ""}],
            "run_rate": [{"path": [*config, "rate"], "suffix": ""}],
            "run_destination": [{"path": ["baseline_dir"], "suffix": "/classifier"}],
        },
    )
    assert found == {"run_epochs": 3, "run_rate": 0.25, "run_destination": "/new"}
    assert sorted(values) == ["baseline_dir", "custom_config"]
    assert values["baseline_dir"].string_value == "/new/classifier"
    text = values["custom_config"].string_value
    assert json.loads(text) == {"settings": {"pretrain": {"epochs": 3, "rate": 0.25}}}
    assert '"epochs": 3,' in text  # a whole number, though JSON numbers are floats in KFP


def test_run_parameter_that_is_not_given_changes_nothing():
    values = _parameters(data='{"root": "/a"}', run_root=None)
    places = {"run_root": [{"path": ["data", "root"], "suffix": ""}], "run_other": []}
    assert apply_runtime_settings(values, places) == {}
    assert {key: value.string_value for key, value in values.items()} == {"data": '{"root": "/a"}'}
