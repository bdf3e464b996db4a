"""TFX plumbing of the Predictor."""

from __future__ import annotations

import json
from typing import Any

from absl import logging
from tfx import types
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_executor
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils
from tfx.utils import path_utils

from components.artifact_types import Artifacts
from components.predictor import record_files
from schemas import features
from trainer_modules.settings import TaskSettings

RECORDS_PROPERTY = "records"
NOT_FINITE_PROPERTY = "records_not_finite"


class Executor(base_executor.BaseExecutor):
    """Runs the exported classifier once over every evaluated split."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Reads `model` and `examples`, writes `predictions`."""
        from components.predictor import inference
        from components.predictor.predictions_writer import PredictionsWriter

        task = TaskSettings.model_validate_json(exec_properties["task"])
        subgroups = json.loads(exec_properties["subgroups"])
        model_artifact = artifact_utils.get_single_instance(input_dict["model"])
        examples = artifact_utils.get_single_instance(input_dict["examples"])
        output = artifact_utils.get_single_instance(output_dict["predictions"])

        model = inference.ExamplesModel(
            path_utils.serving_model_path(model_artifact.uri), task.targets
        )
        total = not_finite = 0
        with PredictionsWriter(output.uri, task.targets, subgroups) as writer:
            for split in features.EVALUATED_SPLITS:
                files = split_files(examples, split)
                batches = inference.predict_files(model, files, task, subgroups) if files else ()
                records, broken = writer.write_split(split, batches)
                logging.info("Predicted %d records of split '%s'.", records, split)
                total += records
                not_finite += broken
        if not_finite:
            logging.error("%d of %d predictions are not finite numbers.", not_finite, total)
        self._embed(model_artifact, examples, output.uri, json.loads(exec_properties["embeddings"]))
        output.split_names = artifact_utils.encode_split_names(list(features.EVALUATED_SPLITS))
        examples_utils.set_payload_format(output, example_gen_pb2.PayloadFormat.FORMAT_TF_EXAMPLE)
        output.set_int_custom_property(RECORDS_PROPERTY, total)
        output.set_int_custom_property(NOT_FINITE_PROPERTY, not_finite)

    def _embed(
        self, model: types.Artifact, examples: types.Artifact, folder: str, splits: list[str]
    ) -> None:
        """Writes the embeddings of some splits beside the predictions."""
        from components.predictor import embedding_table
        from components.predictor.embeddings import EmbeddingModel, embed_files

        if not splits:
            return
        loaded = EmbeddingModel(path_utils.serving_model_path(model.uri))
        for split in splits:
            if files := split_files(examples, split):
                path = embedding_table.path_of(folder, split)
                rows = embedding_table.write(path, embed_files(loaded, files))
                logging.info("Embedded %d records of split '%s'.", rows, split)


def split_files(examples: types.Artifact, split: str) -> list[str]:
    """Record files of a split of an Examples artifact; none if it has no such split."""
    if split not in artifact_utils.decode_split_names(examples.split_names):
        return []
    return record_files.in_folder(artifact_utils.get_split_uri([examples], split))
