"""A label that the schema demands is demanded of labeled splits alone."""

from __future__ import annotations

import pandas as pd
import pytest

FOUND = "SCHEMA_MISSING_COLUMN"


@pytest.fixture(scope="module")
def validate(tmp_path_factory):
    """Kinds of anomalies of a split without its label."""
    import tensorflow_data_validation as tfdv
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2
    from tfx.components.example_validator import labels
    from tfx.types import standard_component_specs as specs

    from components.example_validator.executor import Executor

    statistics = tfdv.generate_statistics_from_dataframe(pd.DataFrame({"site": ["s"] * 9}))
    label = 'name: "label/a" type: FLOAT presence { min_fraction: 1 min_count: 1 }'
    site = 'feature { name: "site" type: BYTES }'
    without = f"{site} feature {{ {label} }}"
    with_environments = (
        f'{site} feature {{ {label} not_in_environment: "UNLABELED" }} '
        'default_environment: "LABELED" default_environment: "UNLABELED"'
    )

    def run(split: str, environments: bool = True) -> list[str]:
        folder = tmp_path_factory.mktemp("run") / f"Split-{split}"
        schema = text_format.Parse(
            with_environments if environments else without, schema_pb2.Schema()
        )
        Executor()._Validate(
            {specs.STATISTICS_KEY: [statistics], specs.SCHEMA_KEY: [schema]},
            {labels.SCHEMA_DIFF_PATH: [str(folder)]},
        )
        anomalies = anomalies_pb2.Anomalies.FromString((folder / "SchemaDiff.pb").read_bytes())
        name = anomalies_pb2.AnomalyInfo.Type.Name
        return [name(r.type) for info in anomalies.anomaly_info.values() for r in info.reason]

    return run


@pytest.mark.slow
def test_the_unlabeled_split_needs_no_label(validate):
    assert validate("unlabeled") == []


@pytest.mark.parametrize("split", ["train", "validation", "test", "shifted"])
def test_other_splits_do(split, validate):
    assert validate(split) == [FOUND]


def test_a_schema_without_environments_is_the_same_for_every_split(validate):
    assert validate("unlabeled", environments=False) == [FOUND]
