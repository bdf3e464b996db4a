"""TFX's ExampleValidator component with the executor of this package."""

from __future__ import annotations

from typing import Any

from tfx import v1 as tfx
from tfx.dsl.components.base import executor_spec

from components.example_validator.executor import Executor


class ExampleValidator(tfx.components.ExampleValidator):
    """Same inputs, outputs and parameters as TFX's ExampleValidator."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, *, code_digest: str, **arguments: Any):
        """Wires the ExampleValidator.

        Args:
            code_digest: Digest of its code, so that an edit invalidates cached results.
            **arguments: What TFX's ExampleValidator takes.
        """
        super().__init__(**arguments)
        # TFX's specification has no such parameter, but its cache key covers every property.
        self.spec.exec_properties["code_digest"] = code_digest
