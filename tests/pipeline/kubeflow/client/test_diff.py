"""What a new compilation changes in a pipeline that the loopback server has."""

import copy
import json

import pytest

import kubeflow_runner
from pipeline.kubeflow.client.diff import compare, differences
from pipeline.kubeflow.client.server import Server
from schemas.errors import InputError
from tests.kubeflow.loopback import SPEC

PODS = {
    "platforms": {
        "kubernetes": {
            "deploymentSpec": {"executors": {"A_executor": {"imagePullPolicy": "Always"}}}
        }
    }
}
LISTED = {
    "pipeline_versions": [
        {"pipeline_version_id": "v2", "display_name": "second"},
        {"pipeline_version_id": "v1", "display_name": "first"},
    ]
}


def _settled(spec, value):
    """A pipeline whose node has this text as a property."""
    spec = copy.deepcopy(spec)
    inputs = {"parameters": {"config": {"runtimeValue": {"constant": value}}}}
    spec["root"]["dag"]["tasks"]["A"]["inputs"] = inputs
    return spec


def _has(kubeflow, **versions):
    """Lets the server have a pipeline `tiny` with these versions."""
    kubeflow.answers |= {
        **{
            f"/versions/{name}": (200, {"pipeline_version_id": name, "pipeline_spec": spec})
            for name, spec in versions.items()
        },
        "/versions": (200, LISTED),
        "v2beta1/pipelines": (200, {"pipelines": [{"pipeline_id": "p"}]}),
    }


def test_equal_pipelines_have_no_difference():
    stored = json.loads(
        json.dumps(SPEC).replace('"schemaVersion"', '"sdkVersion": "x", "schemaVersion"')
    )
    assert differences([stored], [SPEC]) == []
    assert differences([_settled(SPEC, '{"a": 1}')], [_settled(SPEC, '{"a":1.0}')]) == []


def test_setting_inside_of_json_is_named_alone():
    old = _settled(SPEC, json.dumps({"pretrain": {"epochs": 100, "rate": 0.1}, "list": [1, 2]}))
    new = _settled(SPEC, json.dumps({"pretrain": {"epochs": 50, "rate": 0.1}, "list": [1]}))
    place = "task.inputs.parameters.config.runtimeValue.constant"
    assert differences([old], [new]) == [
        "A",
        f"  - {place}.list.1: 2",
        f"  ~ {place}.pretrain.epochs: 100 -> 50",
    ]


def test_nodes_options_pods_and_parameters():
    new = copy.deepcopy(SPEC)
    container = new["deploymentSpec"]["executors"]["A_executor"]["container"]
    container["image"] = "i:2"
    container["args"] = ["--new=1", *container["args"]]
    new["root"]["inputDefinitions"]["parameters"]["epochs"]["defaultValue"] = 3
    new["components"]["B"] = {"executorLabel": "B_executor"}
    new["deploymentSpec"]["executors"]["B_executor"] = {"container": {"image": "i:2"}}
    new["root"]["dag"]["tasks"]["B"] = {"componentRef": {"name": "B"}}
    assert differences([SPEC], [new, PODS]) == [
        "pipeline",
        "  + root.inputDefinitions.parameters.epochs.defaultValue: 3",
        "A",
        "  + args.--new: 1",
        "  ~ image: i:1 -> i:2",
        "  + pod.imagePullPolicy: Always",
        "+ node B",
    ]
    assert "- node B" in differences([new], [SPEC])


def test_newest_version_a_named_one_and_a_run(kubeflow, written):
    first, second = _settled(SPEC, "1"), {"pipeline_spec": _settled(SPEC, "2")}
    _has(kubeflow, v1=first, v2=second)
    kubeflow.answers["runs/r"] = (200, {"run_id": "r", "pipeline_spec": _settled(SPEC, "4")})
    server, file = Server(kubeflow.address, "team", "secret"), written(_settled(SPEC, "3"))
    changed = "  ~ task.inputs.parameters.config.runtimeValue.constant: {} -> 3"
    assert compare(file, server) == ["A", changed.format(2)]
    assert compare(file, server, version="first") == ["A", changed.format(1)]
    assert compare(file, server, run="r") == ["A", changed.format(4)]
    assert {token for _, token, _ in kubeflow.seen} == {"Bearer secret"}


def test_what_the_server_does_not_have(kubeflow, file):
    server = Server(kubeflow.address, "team")
    kubeflow.answers["v2beta1/pipelines"] = (200, {})
    with pytest.raises(InputError, match="--name 'tiny': the server has no pipeline"):
        compare(file, server)
    kubeflow.answers.clear()
    _has(kubeflow)
    with pytest.raises(InputError, match=r"--version 'third': .*; it has second, first"):
        compare(file, server, version="third")
    kubeflow.answers["runs/r"] = (404, {"error_message": "run r not found"})
    with pytest.raises(InputError, match=r"answered 404 .run r not found"):
        compare(file, server, run="r")


def test_command_says_by_its_status_whether_there_is_a_difference(kubeflow, written, capsys):
    _has(kubeflow, v2=SPEC)
    command = ["diff", "--host", kubeflow.address, "--namespace", "team", "--pipeline"]
    assert kubeflow_runner.main([*command, written(SPEC)]) == 0
    assert capsys.readouterr().out == "no difference\n"
    assert kubeflow_runner.main([*command, written(_settled(SPEC, "3"))]) == 1
    assert "task.inputs.parameters.config" in capsys.readouterr().out
    assert kubeflow_runner.main([*command, "/nonexistent.yaml"]) == 2
    assert "can't be read" in capsys.readouterr().err
