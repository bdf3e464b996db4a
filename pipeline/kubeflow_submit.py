"""Sends a compiled pipeline to a Kubeflow Pipelines server and, if asked, waits for the run."""

from __future__ import annotations

import dataclasses
import http
import itertools
import json
import os
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from pipeline.kubeflow_check import unsupported
from pipeline.kubeflow_parameters import Kind, parse_arguments
from trainer_modules.errors import InputError

TOKEN_VARIABLE = "REMEDIS_KFP_TOKEN"
_PREFLIGHT_SECONDS = 15
_POLL_SECONDS = 5
_ENDED = ("SUCCEEDED", "SKIPPED", "FAILED", "CANCELED")
_HINTS = {
    http.HTTPStatus.UNAUTHORIZED: f"the token is missing, wrong or expired; renew it "
    f"({TOKEN_VARIABLE} or --token-file)",
    http.HTTPStatus.FORBIDDEN: "the token's user may not do this in the --namespace, or there is "
    "no such namespace",
}


@dataclasses.dataclass(frozen=True)
class Server:
    """A Kubeflow Pipelines server and how to talk to it."""

    host: str
    namespace: str = ""
    token: str = ""


def read_token(path: str) -> str:
    """The token in a file, else in the environment, else none.

    Raises:
      InputError: The file can't be read.
    """
    if not path:
        return os.environ.get(TOKEN_VARIABLE, "")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--token-file '{path}' can't be read: {error}") from None


def submit(
    file: str,
    server: Server,
    *,
    experiment: str,
    arguments: Sequence[str] = (),
    run_name: str = "",
    wait_seconds: float = 0,
) -> tuple[str, list[str]]:
    """Creates a run.

    Args:
      file: The compiled pipeline.
      server: Where to run it.
      experiment: Experiment of the run; made when there is none of that name.
      arguments: `NAME=VALUE` for parameters of the pipeline.
      run_name: Name of the run; empty: the pipeline's.
      wait_seconds: How long to wait for the end of the run; 0: not at all.

    Returns:
      The run's id, and what went wrong in it (empty when it succeeded, or was not waited for).

    Raises:
      InputError: The file, an argument or the server is not what it should be.
    """
    spec = load_pipeline(file)
    values = parse_arguments(arguments, declared_parameters(spec))
    if not server.host.startswith(("http://", "https://")):
        raise InputError(f"--host '{server.host}': give http://... or https://...")
    import kfp_server_api
    import urllib3

    try:
        _preflight(server)
        client = _client(server)
        run = client.create_run_from_pipeline_package(
            file,
            arguments=values,
            run_name=run_name or spec["pipelineInfo"]["name"],
            experiment_name=experiment,
            namespace=server.namespace or None,
        )
        if not wait_seconds:
            return run.run_id, []
        return run.run_id, _failures(_ended(client, run.run_id, wait_seconds))
    except kfp_server_api.ApiException as error:
        raise InputError(_explained(server, error)) from None
    except urllib3.exceptions.HTTPError as error:
        raise InputError(f"--host '{server.host}' can't be reached: {_reason(error)}") from None


def load_pipeline(file: str) -> dict[str, Any]:
    """Reads a compiled pipeline, which somebody may have edited.

    Raises:
      InputError: It is no pipeline that Kubeflow Pipelines can run.
    """
    try:
        documents = list(yaml.safe_load_all(Path(file).read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"pipeline file '{file}' can't be read: {error}") from None
    except yaml.YAMLError as error:
        raise InputError(f"pipeline file '{file}' is not YAML: {error}") from None
    if not documents or not isinstance(documents[0], dict):
        raise InputError(f"pipeline file '{file}' is no compiled pipeline; compile it again")
    _parse(file, documents)
    spec = documents[0]
    problems = _dangling(spec) or unsupported(spec)
    if problems:
        raise InputError(f"pipeline file '{file}' can't be run:\n  " + "\n  ".join(problems))
    return spec


def declared_parameters(spec: Mapping[str, Any]) -> dict[str, Kind]:
    """Parameters of a compiled pipeline and their kinds."""
    inputs = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    return {name: parameter["parameterType"] for name, parameter in inputs.items()}


def _parse(file: str, documents: Sequence[Any]) -> None:
    """Both documents as the messages they stand for: an unknown field is an error."""
    from google.protobuf import json_format
    from kfp.kubernetes import kubernetes_executor_config_pb2
    from kfp.pipeline_spec import pipeline_spec_pb2

    kinds = (pipeline_spec_pb2.PipelineSpec, pipeline_spec_pb2.PlatformSpec)
    try:
        for document, kind in zip(documents, kinds, strict=False):
            json_format.ParseDict(document, kind())
        for executor in documents[0]["deploymentSpec"]["executors"].values():
            json_format.ParseDict(
                executor, pipeline_spec_pb2.PipelineDeploymentConfig.ExecutorSpec()
            )
        platform = documents[1]["platforms"]["kubernetes"] if len(documents) > 1 else {}
        for pod in platform.get("deploymentSpec", {}).get("executors", {}).values():
            json_format.ParseDict(pod, kubernetes_executor_config_pb2.KubernetesExecutorConfig())
    except json_format.ParseError as error:
        raise InputError(f"pipeline file '{file}' has been edited wrongly: {error}") from None
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"pipeline file '{file}' is not complete: {error!r}") from None


def _dangling(spec: Mapping[str, Any]) -> list[str]:
    """References to what is not there, and arguments that are no longer JSON."""
    missing = [name for name in ("pipelineInfo", "root", "components") if name not in spec]
    if missing or "dag" not in spec.get("root", {}):
        return [f"no {', '.join(missing) or 'root.dag'} in it"]
    found = []
    executors = spec["deploymentSpec"]["executors"]
    tasks = spec["root"]["dag"]["tasks"]
    for name, task in tasks.items():
        component = spec["components"].get(task.get("componentRef", {}).get("name"))
        if component is None:
            found.append(f"node '{name}': its component is missing")
        elif component.get("executorLabel") not in executors:
            found.append(f"node '{name}': its executor is missing")
        for other in task.get("dependentTasks", ()):
            if other not in tasks:
                found.append(f"node '{name}': depends on '{other}', which is missing")
    for label, executor in executors.items():
        texts = executor.get("container", {}).get("args", ())
        for option, text in itertools.pairwise(texts):
            if option.startswith("--json") and text != "{{$}}" and not _is_json(text):
                found.append(f"executor '{label}': argument {option} is no longer JSON")
    return found


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _preflight(server: Server) -> None:
    """Asks for the server's health once: kfp.Client tries five times and logs every failure."""
    import kfp_server_api

    configuration = kfp_server_api.Configuration(host=server.host.rstrip("/"))
    configuration.retries = 0
    if server.token:
        configuration.api_key["authorization"] = server.token
        configuration.api_key_prefix["authorization"] = "Bearer"
    with kfp_server_api.ApiClient(configuration) as client:
        answer = kfp_server_api.HealthzServiceApi(client).healthz_service_get_healthz(
            _request_timeout=_PREFLIGHT_SECONDS, _preload_content=False
        )
    try:
        several_users = json.loads(answer.data).get("multi_user", False)
    except (ValueError, AttributeError):
        raise InputError(
            f"--host '{server.host}' answers, but not as Kubeflow Pipelines (a login page?)"
        ) from None
    if several_users and not server.namespace:
        raise InputError("--namespace is missing: this server has several users")


def _client(server: Server) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # about servers older than 2.0
        from kfp.client import Client

        return Client(
            host=server.host,
            # kfp's own default asks the server for a namespace, which single-user servers lack.
            namespace=server.namespace or "kubeflow",
            existing_token=server.token or None,
        )


def _ended(client: Any, run_id: str, seconds: float) -> Any:
    """The run when it has ended; kfp's own waiting does not know canceled runs."""
    deadline = time.monotonic() + seconds
    while (run := client.get_run(run_id)).state not in _ENDED:
        if time.monotonic() > deadline:
            raise InputError(f"run {run_id} did not end within {seconds:g} s (--wait); it goes on")
        time.sleep(_POLL_SECONDS)
    return run


def _failures(run: Any) -> list[str]:
    if run.state == "SUCCEEDED":
        return []
    details = run.run_details.task_details if run.run_details else None
    steps = [task.display_name for task in details or () if task.state in ("FAILED", "ERROR")]
    message = run.error.message if run.error else ""
    return [f"run {run.state.lower()}: {message}".rstrip(": "), *(f"step {s}" for s in steps)]


def _explained(server: Server, error: Any) -> str:
    try:
        said = json.loads(error.body)
        said = said.get("error_message") or said.get("message") or said.get("error") or ""
    except (TypeError, ValueError, AttributeError):
        said = ""
    said = str(said).splitlines()[0] if said else (error.reason or "")
    hint = _HINTS.get(error.status, "")
    if not hint and "namespace" in said.lower():
        hint = f"received --namespace '{server.namespace}'"
    parts = [f"--host '{server.host}' answered {error.status} ({said})", hint]
    return ": ".join(part for part in parts if part)


def _reason(error: BaseException) -> str:
    inner = getattr(error, "reason", None) or error
    return str(inner).rpartition(": ")[2] or type(inner).__name__
