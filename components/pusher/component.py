"""TFX's Pusher, which pushes only what a given key has signed."""

from __future__ import annotations

from typing import Any

from tfx import v1 as tfx
from tfx.dsl.components.base import executor_spec

from components.pusher import executor


class SignedPusher(tfx.components.Pusher):
    """Pushes a blessed model whose verdict is signed; stops the run at one that is not."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(self, *, public_key: str, judged: bool, code_digest: str, **wired: Any):
        """Wires the node.

        Args:
            public_key: Key of minisign, whose signature counts.
            judged: Whether the model is the one of the verdict; else it is pushed with it.
            code_digest: Digest of the code, so that an edit invalidates cached results.
            **wired: Arguments of TFX's Pusher.
        """
        config = {"public_key": public_key, "judged": judged, "code_digest": code_digest}
        super().__init__(custom_config=config, **wired)
