"""TFX's Pusher component with the executors of this package."""

from __future__ import annotations

from typing import Any

from tfx import v1 as tfx
from tfx.dsl.components.base import executor_spec

from components.pusher import executor, signed_executor


class Pusher(tfx.components.Pusher):
    """Same inputs, outputs and parameters as TFX's Pusher."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(self, *, code_digest: str, **arguments: Any):
        """Wires the Pusher.

        Args:
          code_digest: Digest of its code, so that an edit invalidates cached results.
          **arguments: What TFX's Pusher takes.
        """
        super().__init__(**arguments)
        # TFX's specification has no such parameter, but its cache key covers every property.
        self.spec.exec_properties["code_digest"] = code_digest


class SignedPusher(Pusher):
    """Pushes a blessed model whose verdict is signed; stops the run at one that is not."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(signed_executor.SignedExecutor)

    def __init__(self, *, public_key: str, judged: bool, code_digest: str, **wired: Any):
        """Wires the node.

        Args:
          public_key: Key of minisign, whose signature counts.
          judged: Whether the model is the one of the verdict; else it is pushed with it.
          code_digest: Digest of the code, so that an edit invalidates cached results.
          **wired: Arguments of TFX's Pusher.
        """
        config = {"public_key": public_key, "judged": judged, "code_digest": code_digest}
        super().__init__(code_digest=code_digest, custom_config=config, **wired)
