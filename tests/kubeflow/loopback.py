"""A server on the loopback that answers like Kubeflow Pipelines, and a tiny pipeline for it."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from collections.abc import Iterator

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


class Handler(http.server.BaseHTTPRequestHandler):
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
        recurring = (200, {"recurring_run_id": "again"})
        self._answer({"recurringruns": recurring, "runs": (200, {"run_id": "r"})})

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


@contextlib.contextmanager
def serve() -> Iterator[http.server.ThreadingHTTPServer]:
    """A running server; `seen` collects (path, token, body), `answers` overrides the usual ones."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.seen, server.answers = [], {}
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        server.address = f"http://127.0.0.1:{server.server_port}"
        yield server
        server.shutdown()
        thread.join()
