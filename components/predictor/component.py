"""TFX component that runs the exported classifier once, for all stages that judge it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import ClassVar

from tfx import types
from tfx import v1 as tfx
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec

from components.predictor import executor
from trainer_modules.settings import TaskSettings


class PredictorSpec(component_spec.ComponentSpec):
    """Interface of the Predictor."""

    PARAMETERS: ClassVar = {
        "task": component_spec.ExecutionParameter(type=str),
        "subgroups": component_spec.ExecutionParameter(type=str),
        "embeddings": component_spec.ExecutionParameter(type=str),
        "code_digest": component_spec.ExecutionParameter(type=str),
    }
    INPUTS: ClassVar = {
        "model": component_spec.ChannelParameter(type=tfx.types.standard_artifacts.Model),
        "examples": component_spec.ChannelParameter(type=tfx.types.standard_artifacts.Examples),
    }
    OUTPUTS: ClassVar = {
        "predictions": component_spec.ChannelParameter(type=tfx.types.standard_artifacts.Examples),
    }


class Predictor(base_component.BaseComponent):
    """Predictions of the exported classifier on the splits validation, test and shifted.

    The output is an Examples artifact with labels, predictions and decisions of each target and the
    columns to slice by. At its root are a Parquet table with the same content, and embeddings of
    the requested splits.
    """

    SPEC_CLASS = PredictorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        model: types.BaseChannel,
        examples: types.BaseChannel,
        task: TaskSettings,
        subgroups: Sequence[str],
        code_digest: str,
        embeddings: Sequence[str] = (),
    ):
        """Wires the Predictor.

        Args:
            model: The exported classifier.
            examples: Ingested images.
            task: What is predicted.
            subgroups: Subgroup columns to keep.
            code_digest: Digest of the code, so that an edit invalidates cached results.
            embeddings: Splits whose embeddings are written.
        """
        super().__init__(
            PredictorSpec(
                model=model,
                examples=examples,
                task=task.model_dump_json(),
                subgroups=json.dumps(list(subgroups)),
                embeddings=json.dumps(list(embeddings)),
                code_digest=code_digest,
                predictions=types.Channel(type=tfx.types.standard_artifacts.Examples),
            )
        )
