"""Executor of TFX's ExampleValidator that validates each split in its schema environment."""

from __future__ import annotations

import os
from typing import Any

from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.components.example_validator import executor, labels
from tfx.components.util import value_utils
from tfx.types import standard_component_specs
from tfx.utils import writer_utils

from schemas import features

LABELED, UNLABELED = "LABELED", "UNLABELED"


class Executor(executor.Executor):
    """Validates like TFX, but exempts the unlabeled split from what its environment excludes."""

    def _Validate(self, inputs: dict[str, Any], outputs: dict[str, Any]) -> anomalies_pb2.Anomalies:
        """Writes the anomalies of one split."""
        import tensorflow_data_validation as tfdv

        schema = value_utils.GetSoleValue(inputs, standard_component_specs.SCHEMA_KEY)
        folder = value_utils.GetSoleValue(outputs, labels.SCHEMA_DIFF_PATH)
        split = os.path.basename(folder.rstrip("/")).removeprefix("Split-")
        environment = UNLABELED if split == features.UNLABELED else LABELED
        anomalies = tfdv.validate_statistics(
            value_utils.GetSoleValue(inputs, standard_component_specs.STATISTICS_KEY),
            schema,
            # A schema without environments is the same for every split.
            environment=environment if environment in schema.default_environment else None,
        )
        writer_utils.write_anomalies(os.path.join(folder, executor.DEFAULT_FILE_NAME), anomalies)
        return anomalies
