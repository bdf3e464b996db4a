"""TFX plumbing of image ingestion."""

from __future__ import annotations

from typing import Any

from absl import logging
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils

from components.artifact_types import Artifacts


class Executor(base_beam_executor.BaseBeamExecutor):
    """Runs the ingestion on Beam and describes the artifacts."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Writes `examples` and `ingest_report`.

        Raises:
            InputError: the data set can't be ingested, or too many of its images are broken.
        """
        from tfx.components.util import examples_utils
        from tfx.proto import example_gen_pb2

        from components.image_example_gen import ingest, privacy
        from components.image_example_gen.settings import DataSettings
        from components.image_example_gen.writing.ingest_report import refuse_broken
        from schemas import features
        from schemas.documents.ingest import IngestReport
        from trainer_modules.settings import TaskSettings

        data = DataSettings.model_validate_json(exec_properties["data"])
        task = TaskSettings.model_validate_json(exec_properties["task"])
        examples = artifact_utils.get_single_instance(output_dict["examples"])
        ingest_report = artifact_utils.get_single_instance(output_dict["ingest_report"])
        key_file = exec_properties["id_key_file"]
        key = privacy.read_key(data.source, key_file)
        mapping = privacy.IdMapping(key_file) if data.id_mapping else None
        with self._make_beam_pipeline() as pipeline:
            source = ingest.add_ingestion(
                pipeline,
                data,
                task,
                int(exec_properties["seed"]),
                key,
                examples.uri,
                ingest_report.uri,
                mapping,
            )
        counts = IngestReport.read(ingest_report.uri)
        refuse_broken(counts, data.max_broken_fraction, source.rows())
        logging.info("Ingested %d of %d images", counts.kept, counts.images)
        examples.split_names = artifact_utils.encode_split_names(list(features.SPLITS))
        examples_utils.set_payload_format(examples, example_gen_pb2.PayloadFormat.FORMAT_TF_EXAMPLE)
        examples_utils.set_file_format(examples, "tfrecords_gzip")
