"""What the settings of the gate refuse."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from components.data_gate.settings import DataGateSettings


def test_kinds_of_anomalies_are_tfdvs():
    settings = DataGateSettings(anomaly_kinds={"FLOAT_TYPE_SMALL_FLOAT": "report"})
    assert settings.anomaly_kinds == {"FLOAT_TYPE_SMALL_FLOAT": "report"}
    with pytest.raises(ValidationError, match="the nearest is FLOAT_TYPE_SMALL_FLOAT"):
        DataGateSettings(anomaly_kinds={"float_type_small": "report"})
    with pytest.raises(ValidationError, match="'stop', 'report' or 'ignore'"):
        DataGateSettings(anomaly_kinds={"FLOAT_TYPE_SMALL_FLOAT": "warn"})


def test_statistics_are_kept_in_a_folder():
    with pytest.raises(ValidationError, match="mounted folder"):
        DataGateSettings(passed_data="s3://bucket/passed")
