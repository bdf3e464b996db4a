"""Submission, against a server on the loopback that answers like Kubeflow Pipelines."""

import pytest

import kubeflow_runner
from pipeline.kubeflow.client import submit as submission
from pipeline.kubeflow.client.server import Server, read_token
from pipeline.kubeflow.client.submit import schedule, submit
from schemas.errors import InputError


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
    monkeypatch.setattr(submission, "_POLL_SECONDS", 0.01)
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


def test_token_comes_from_the_file_or_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("REMEDIS_KFP_TOKEN", "from the environment")
    assert read_token("") == "from the environment"
    (tmp_path / "token").write_text("from the file\n")
    assert read_token(str(tmp_path / "token")) == "from the file"
    with pytest.raises(InputError, match="can't be read"):
        read_token(str(tmp_path / "none"))


def test_recurring_run_is_created_once_at_a_time_without_catching_up(kubeflow, file):
    server = Server(kubeflow.address, "team", "secret")
    made = schedule(file, server, "0 0 3 * * *", experiment="nightly", arguments=["epochs=3"])
    assert made == "again"
    (body,) = [body for path, _, body in kubeflow.seen if "recurringruns" in path]
    assert body["trigger"] == {"cron_schedule": {"cron": "0 0 3 * * *"}}
    assert body["runtime_config"]["parameters"] == {"epochs": 3}
    assert body["experiment_id"] == "e"
    assert body["max_concurrency"] == 1
    assert body["no_catchup"] is True
    assert body["pipeline_spec"]["pipelineInfo"]["name"] == "tiny"


@pytest.mark.parametrize(
    ("cron", "arguments", "said"),
    [
        ("0 3 * * *", [], r"--schedule '0 3 \* \* \*': give six fields"),
        ("0 0 3 * * *", ["epochs=x"], "received 'x'; a whole number"),
    ],
)
def test_schedule_is_wrong(file, cron, arguments, said):
    with pytest.raises(InputError, match=said):
        schedule(file, Server("http://127.0.0.1:1"), cron, experiment="x", arguments=arguments)


def test_schedule_that_the_server_refuses(kubeflow, file):
    kubeflow.answers["recurringruns"] = (400, {"error_message": "cron: bad value"})
    with pytest.raises(InputError, match=r"answered 400 .cron: bad value"):
        schedule(file, Server(kubeflow.address, "team"), "a b c d e f", experiment="x")


@pytest.mark.parametrize(
    ("answers", "more", "said"),
    [
        ({}, ["--host", "http://127.0.0.1:1"], "can't be reached"),
        ({"healthz": (401, {"message": "token expired"})}, [], "missing, wrong or expired"),
        ({"experiments": (403, {"error_message": "no access"})}, [], "no such namespace"),
        ({}, ["--parameter", "epochs=many"], "received 'many'; a whole number is needed"),
        ({}, ["--pipeline", "/nonexistent.yaml"], "can't be read"),
        ({}, ["--token-file", "/nonexistent"], "--token-file '/nonexistent' can't be read"),
        ({}, ["--schedule", "daily"], "give six fields"),
    ],
)
def test_command_says_what_is_wrong_with_status_2(kubeflow, file, capsys, answers, more, said):
    kubeflow.answers = answers
    command = ["submit", "--pipeline", file, "--host", kubeflow.address, "--namespace", "team"]
    assert kubeflow_runner.main([*command, *more]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert said in err
    assert "Traceback" not in err


def test_command_fails_with_the_run_it_waits_for(kubeflow, file, capsys):
    kubeflow.answers["runs/r"] = (200, {"run_id": "r", "state": "FAILED"})
    command = ["submit", "--pipeline", file, "--host", kubeflow.address, "--namespace", "team"]
    assert kubeflow_runner.main([*command, "--wait", "5"]) == 1
    shown = capsys.readouterr()
    assert shown.err == "error: run failed\n"
    assert shown.out.endswith("run r\n")
    assert kubeflow_runner.main([*command, "--schedule", "0 0 3 * * *"]) == 0
