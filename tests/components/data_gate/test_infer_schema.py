"""A schema inferred from statistics accepts them and refuses what they do not hold."""

from __future__ import annotations

import pytest

from components.data_gate import infer_schema


def statistics_of(site: str):
    """Statistics of 40 records, half of them at a site."""
    import pandas as pd
    import tensorflow_data_validation as tfdv

    return tfdv.generate_statistics_from_dataframe(
        pd.DataFrame(
            {
                "patient_id": [f"{n % 10:032x}" for n in range(40)],
                "site": ["north", site] * 20,
                "label/a": [0.0, 1.0] * 20,
            }
        )
    )


@pytest.mark.slow
def test_the_schema_fits_its_data_and_no_other(tmp_path, capsys):
    import tensorflow_data_validation as tfdv

    (tmp_path / "Split-train").mkdir()
    own = statistics_of("south")
    (tmp_path / "Split-train/FeatureStats.pb").write_bytes(own.SerializeToString())
    output = tmp_path / "schema.pbtxt"
    command = ["--statistics", str(tmp_path), "--output", str(output)]
    assert infer_schema.main(command) == 0
    schema = tfdv.load_schema_text(str(output))
    names = {feature.name for feature in schema.feature}
    assert names == {"image/encoded", "patient_id", "site", "label/a"}
    assert [sorted(domain.value) for domain in schema.string_domain] == [["north", "south"]]
    assert not tfdv.validate_statistics(own, schema).anomaly_info
    found = tfdv.validate_statistics(statistics_of("west"), schema).anomaly_info
    assert list(found) == ["site"]
    # What is there stays.
    assert infer_schema.main(command) == 2
    assert "exists already" in capsys.readouterr().err


def test_a_folder_without_statistics_is_refused_with_the_way_out(tmp_path, capsys):
    command = ["--statistics", str(tmp_path), "--split", "test", "--output", str(tmp_path / "s")]
    assert infer_schema.main(command) == 2
    assert "no Split-test/FeatureStats.pb" in capsys.readouterr().err
