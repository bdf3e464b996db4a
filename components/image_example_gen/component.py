"""TFX component: any image source becomes tf.Examples in patient-disjoint splits."""

from __future__ import annotations

from typing import Any, ClassVar

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.artifact_types import IngestReport
from components.image_example_gen.executor import Executor
from components.image_example_gen.settings import DataSettings
from trainer_modules.settings import TaskSettings


class ImageExampleGenSpec(types.ComponentSpec):
    """Settings are passed as JSON, so that TFX's cache key covers all of them."""

    PARAMETERS: ClassVar[dict[str, Any]] = {
        "data": component_spec.ExecutionParameter(type=str),
        "task": component_spec.ExecutionParameter(type=str),
        "seed": component_spec.ExecutionParameter(type=int),
        "data_fingerprint": component_spec.ExecutionParameter(type=str),
        "id_key_file": component_spec.ExecutionParameter(type=str),
        "code_digest": component_spec.ExecutionParameter(type=str),
    }
    INPUTS: ClassVar[dict[str, Any]] = {}
    OUTPUTS: ClassVar[dict[str, Any]] = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "ingest_report": component_spec.ChannelParameter(type=IngestReport),
    }


class ImageExampleGen(base_beam_component.BaseBeamComponent):
    """Reads a source and writes the splits unlabeled, train, validation, test and shifted."""

    SPEC_CLASS = ImageExampleGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self,
        data: DataSettings,
        task: TaskSettings,
        seed: int,
        data_fingerprint: str,
        id_key_file: str,
        code_digest: str,
    ):
        """Constructs the component.

        Args:
            data: source, splits and encoding.
            task: labels.
            seed: of the splits.
            data_fingerprint: `sources.data_fingerprint`; new data must give a new cache key.
            id_key_file: key of the pseudonyms; '' for the environment variable REMEDIS_ID_KEY.
            code_digest: of the ingestion code.
        """
        spec = ImageExampleGenSpec(
            data=data.model_dump_json(),
            task=task.model_dump_json(),
            seed=seed,
            data_fingerprint=data_fingerprint,
            id_key_file=id_key_file,
            code_digest=code_digest,
            examples=types.Channel(type=standard_artifacts.Examples),
            ingest_report=types.Channel(type=IngestReport),
        )
        super().__init__(spec=spec)
