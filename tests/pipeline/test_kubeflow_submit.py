"""Submission, against a server on the loopback that answers like Kubeflow Pipelines."""

import copy
import http.server
import json
import threading

import pytest
import yaml

from pipeline import kubeflow_submit
from pipeline.kubeflow_submit import Server, load_pipeline, read_token, submit
from trainer_modules.errors import InputError

SPEC = {
    "schemaVersion": "2.1.0",
    "pipelineInfo": {"name": "tiny"},
    "components": {"A": {"executorLabel": "A_executor"}},
    "deploymentSpec": {
        "executors": {
            "A_executor": {
                "container": {
                    "image": "i:1",
                    "args": ["--json_serialized_invocation_args", "{{$}}", "--json_x", "{}"],
                }
            }
        }
    },
    "root": {
        "inputDefinitions": {
            "parameters": {
                "epochs": {"parameterType": "NUMBER_INTEGER"},
                "root": {"parameterType": "STRING"},
            }
        },
        "dag": {"tasks": {"A": {"componentRef": {"name": "A"}, "taskInfo": {"name": "A"}}}},
    },
}


class _Kubeflow(http.server.BaseHTTPRequestHandler):
    """Health, experiments and runs; `server.answers` overrides by a part of the path."""

    def do_GET(self):
        self.server.seen.append((self.path, self.headers.get("authorization"), None))
        self._answer(
            {
                "healthz": (200, {"multi_user": False}),
                "experiments": (200, {"experiments": [{"experiment_id": "e"}]}),
                "runs": (200, {"run_id": "r", "state": "SUCCEEDED"}),
            }
        )

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append((self.path, self.headers.get("authorization"), body))
        self._answer({"runs": (200, {"run_id": "r"})})

    def _answer(self, usual):
        answers = self.server.answers | {
            part: answer for part, answer in usual.items() if part not in self.server.answers
        }
        status, body = next(answers[part] for part in answers if part in self.path)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def kubeflow(monkeypatch, tmp_path):
    monkeypatch.setattr("kfp.client.Client._LOCAL_KFP_CONTEXT", str(tmp_path / "none"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Kubeflow) as server:
        server.seen, server.answers = [], {}
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        server.address = f"http://127.0.0.1:{server.server_port}"
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def file(tmp_path):
    return _written(tmp_path, SPEC)


def _written(folder, *documents):
    path = folder / "pipeline.yaml"
    path.write_text(yaml.safe_dump_all(documents))
    return str(path)


def test_run_is_created_with_token_namespace_and_typed_parameters(kubeflow, file):
    server = Server(kubeflow.address, "team", "secret")
    run_id, failures = submit(
        file, server, experiment="remedis", arguments=["epochs=3", "root=/data"], wait_seconds=5
    )
    assert (run_id, failures) == ("r", [])
    assert {token for _, token, _ in kubeflow.seen} == {"Bearer secret"}
    assert any("namespace=team" in path for path, _, _ in kubeflow.seen)
    (body,) = [body for _, _, body in kubeflow.seen if body]
    assert body["runtime_config"]["parameters"] == {"epochs": 3, "root": "/data"}
    assert body["pipeline_spec"]["pipelineInfo"]["name"] == "tiny"


@pytest.mark.parametrize("state", ["FAILED", "CANCELED"])
def test_failed_run_is_told_with_its_steps(kubeflow, file, state):
    steps = [{"display_name": "DataGate", "state": "FAILED"}, {"display_name": "B"}]
    run = {"run_id": "r", "state": state, "run_details": {"task_details": steps}}
    kubeflow.answers["runs/r"] = (200, {**run, "error": {"message": "boom"}})
    server = Server(kubeflow.address, "team")
    _, failures = submit(file, server, experiment="remedis", wait_seconds=5)
    assert failures == [f"run {state.lower()}: boom", "step DataGate"]


def test_run_that_takes_longer_goes_on(kubeflow, file, monkeypatch):
    monkeypatch.setattr(kubeflow_submit, "_POLL_SECONDS", 0.01)
    kubeflow.answers["runs/r"] = (200, {"run_id": "r", "state": "RUNNING"})
    with pytest.raises(InputError, match=r"run r did not end within 0\.1 s"):
        submit(file, Server(kubeflow.address, "team"), experiment="x", wait_seconds=0.1)


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"healthz": (401, {"message": "token expired"})}, "answered 401 .token expired.: .*renew"),
        ({"healthz": (200, b"<html>log in</html>")}, "not as Kubeflow Pipelines"),
        ({"healthz": (200, {"multi_user": True})}, "--namespace is missing"),
        (
            {"experiments": (403, {"error_message": "no access to namespace nope"})},
            "answered 403 .no access to namespace nope.: .*no such namespace",
        ),
        (
            {"experiments": (404, {"error_message": "namespace nope not found"})},
            "answered 404 .namespace nope not found.: received --namespace",
        ),
        ({"experiments": (500, b"")}, "answered 500"),
    ],
)
def test_server_refuses(kubeflow, file, answers, said):
    kubeflow.answers = answers
    namespace = "" if "multi_user" in str(answers) else "nope"
    with pytest.raises(InputError, match=said):
        submit(file, Server(kubeflow.address, namespace, "old"), experiment="remedis")


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("http://127.0.0.1:1", "can't be reached: .*refused"),
        ("kubeflow.example.com", "give http://... or https://..."),
    ],
)
def test_host_is_wrong(file, host, said):
    with pytest.raises(InputError, match=said):
        submit(file, Server(host, "team"), experiment="remedis")


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("epochs=many", "received 'many'; a whole number"),
        ("epochs=2.5", "received '2.5'; a whole number"),
        ("epoch=2", "no parameter 'epoch'; accepted: epochs, root"),
        ("epochs", "give NAME=VALUE"),
    ],
)
def test_parameter_is_wrong(file, argument, said):
    server = Server("http://127.0.0.1:1")
    with pytest.raises(InputError, match=said):
        submit(file, server, experiment="remedis", arguments=[argument])


def _edited(change):
    spec = copy.deepcopy(SPEC)
    change(spec)
    return spec


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.pop("deploymentSpec"), "not complete"),
        (lambda s: s.pop("root"), "no root in it"),
        (lambda s: s["components"].pop("A"), "node 'A': its component is missing"),
        (lambda s: s["deploymentSpec"]["executors"].clear(), "node 'A': its executor is missing"),
        (lambda s: s.update(extra=1), "edited wrongly: .*extra"),
        (lambda s: s.update(schemaVersion="2.0.0"), "schema version 2.0.0"),
        (
            lambda s: s["root"]["dag"]["tasks"]["A"].update(dependentTasks=["B"]),
            "depends on 'B', which is missing",
        ),
        (
            lambda s: s["deploymentSpec"]["executors"]["A_executor"]["container"].update(
                args=["--json_x", "{"]
            ),
            "argument --json_x is no longer JSON",
        ),
    ],
)
def test_file_edited_by_hand(tmp_path, change, said):
    with pytest.raises(InputError, match=said):
        load_pipeline(_written(tmp_path, _edited(change)))


def test_platform_part_edited_by_hand(tmp_path):
    pods = {"executors": {"A_executor": {"imagePullPolice": "Always"}}}
    platform = {"platforms": {"kubernetes": {"deploymentSpec": pods}}}
    with pytest.raises(InputError, match=r"edited wrongly: .*imagePullPolice"):
        load_pipeline(_written(tmp_path, SPEC, platform))


@pytest.mark.parametrize(
    ("text", "said"),
    [("a: [", "is not YAML"), ("", "no compiled pipeline"), ("just text", "no compiled pipeline")],
)
def test_file_is_no_pipeline(tmp_path, text, said):
    path = tmp_path / "pipeline.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        load_pipeline(str(path))
    with pytest.raises(InputError, match="can't be read"):
        load_pipeline(str(tmp_path / "none.yaml"))


def test_token_comes_from_the_file_or_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("REMEDIS_KFP_TOKEN", "from the environment")
    assert read_token("") == "from the environment"
    (tmp_path / "token").write_text("from the file\n")
    assert read_token(str(tmp_path / "token")) == "from the file"
    with pytest.raises(InputError, match="can't be read"):
        read_token(str(tmp_path / "none"))
