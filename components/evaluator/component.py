"""TFX's Evaluator component with the executor of this package."""

from __future__ import annotations

from tfx import v1 as tfx
from tfx.dsl.components.base import executor_spec

from components.evaluator import executor


class Evaluator(tfx.components.Evaluator):
    """Same inputs, outputs and parameters as TFX's Evaluator."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)
