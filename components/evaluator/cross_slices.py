"""Corrects TFMA's verdict on cross-slice thresholds.

TFMA 0.52 files the details of a checked cross-slice threshold under an empty slice
(`metrics_validator._hashed_slicing_details` reads `slicing_spec` only) and then reports every
cross-slice threshold as missing, so a model with one can never be blessed. Such a threshold was
checked if the cross slice is among the computed metrics; a failure would be listed among the
failures, which stay.
"""

from __future__ import annotations

import glob
import os

import tensorflow as tf
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import metrics_for_slice_pb2, validation_result_pb2
from tensorflow_model_analysis.slicer import slicer_lib

VALIDATIONS_PATTERN = "validations*.tfrecord"


def corrected(
    result: validation_result_pb2.ValidationResult,
    computed: list[metrics_for_slice_pb2.CrossSliceKey],
) -> validation_result_pb2.ValidationResult:
    """Returns the result without the cross slices wrongly reported as missing.

    Args:
        result: What TFMA wrote.
        computed: Cross slices whose metrics TFMA computed, and therefore checked.
    """
    keys = [slicer_lib.deserialize_cross_slice_key(key) for key in computed]
    missing = [
        spec
        for spec in result.missing_cross_slices
        if not any(slicer_lib.is_cross_slice_applicable(key, spec) for key in keys)
    ]
    answer = validation_result_pb2.ValidationResult()
    answer.CopyFrom(result)
    del answer.missing_cross_slices[:]
    answer.missing_cross_slices.extend(missing)
    answer.validation_ok = bool(answer.validation_details.slicing_details) and not (
        answer.metric_validations_per_slice
        or answer.missing_slices
        or answer.missing_cross_slices
        or answer.missing_thresholds
    )
    return answer


def correct_folder(folder: str) -> bool:
    """Corrects the validation result in an evaluation's folder; returns TFMA's verdict."""
    result = tfma.load_validation_result(folder)
    computed = [
        metrics.cross_slice_key
        for metrics in tfma.load_metrics(folder)
        if metrics.HasField("cross_slice_key")
    ]
    answer = corrected(result, computed)
    if answer != result:
        (path,) = glob.glob(os.path.join(folder, VALIDATIONS_PATTERN))
        with tf.io.TFRecordWriter(path) as writer:
            writer.write(answer.SerializeToString())
    return answer.validation_ok
