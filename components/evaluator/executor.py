"""Executor of TFX's Evaluator with a blessing that counts cross-slice thresholds correctly."""

from __future__ import annotations

import os
from typing import Any

from absl import logging
from tfx.components.evaluator import constants
from tfx.components.evaluator import executor as evaluator_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils

from components.artifact_types import Artifacts


class Executor(evaluator_executor.Executor):
    """Evaluates like TFX, then corrects the verdict (see `cross_slices`) and the blessing."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Reads `examples` and `model`, writes `evaluation` and `blessing`."""
        from components.evaluator import cross_slices

        super().Do(input_dict, output_dict, exec_properties)
        blessing = artifact_utils.get_single_instance(output_dict["blessing"])
        if not blessing.has_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY):
            return  # without thresholds, TFX writes no blessing
        if blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY):
            return
        if cross_slices.correct_folder(artifact_utils.get_single_uri(output_dict["evaluation"])):
            refusal = os.path.join(blessing.uri, constants.NOT_BLESSED_FILE_NAME)
            fileio.rename(refusal, os.path.join(blessing.uri, constants.BLESSED_FILE_NAME))
            blessing.set_int_custom_property(
                constants.ARTIFACT_PROPERTY_BLESSED_KEY, constants.BLESSED_VALUE
            )
            logging.info("Every threshold, including the cross-slice ones, was checked and passed.")
