"""A Kubeflow Pipelines server: the connection, and the meaning of its refusals."""

from __future__ import annotations

import contextlib
import dataclasses
import http
import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from schemas.errors import InputError

TOKEN_VARIABLE = "REMEDIS_KFP_TOKEN"
_PREFLIGHT_SECONDS = 15
_HINTS = {
    http.HTTPStatus.UNAUTHORIZED: f"the token is missing, wrong or expired; renew it "
    f"({TOKEN_VARIABLE} or --token-file)",
    http.HTTPStatus.FORBIDDEN: "the token's user may not do this in the --namespace, or there is "
    "no such namespace",
}


@dataclasses.dataclass(frozen=True)
class Server:
    """A Kubeflow Pipelines server and how to connect to it."""

    host: str
    namespace: str = ""
    token: str = ""


def read_token(path: str) -> str:
    """Reads the token from a file, or else from the environment; it may be empty.

    Raises:
      InputError: The file can't be read.
    """
    if not path:
        return os.environ.get(TOKEN_VARIABLE, "")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--token-file '{path}' can't be read: {error}") from None


@contextlib.contextmanager
def connected(server: Server) -> Iterator[Any]:
    """A client of the server; refusals of the server or the network become an InputError.

    Raises:
      InputError: The host does not run Kubeflow Pipelines, can't be reached, or refuses.
    """
    if not server.host.startswith(("http://", "https://")):
        raise InputError(f"--host '{server.host}': give http://... or https://...")
    import kfp_server_api
    import urllib3

    try:
        _preflight(server)
        yield _client(server)
    except kfp_server_api.ApiException as error:
        raise InputError(_explained(server, error)) from None
    except urllib3.exceptions.HTTPError as error:
        raise InputError(f"--host '{server.host}' can't be reached: {_reason(error)}") from None


def _preflight(server: Server) -> None:
    """Checks the server's health once; kfp.Client tries five times and logs each failure."""
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
