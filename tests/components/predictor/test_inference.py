"""Inference and the predictions artifact, against hand-computed probabilities."""

import numpy as np
import pandas as pd
import pytest

from schemas.errors import InputError
from trainer_modules.settings import TaskSettings

MULTILABEL = TaskSettings(kind="multilabel", labels=("edema", "pleural effusion"))


def sigmoid(value: float) -> float:
    return 1 / (1 + np.exp(-value))


def row(index: int, brightness: int, domain: str = "in_distribution", **more) -> dict:
    return {
        "brightness": brightness,
        "image/id": f"image{index}",
        "patient_id": f"patient{index // 2}",
        "site": "a",
        "domain": domain,
        "subgroup/sex": "F",
        "label/edema": 1.0,
        "label/edema/weight": 1.0,
        "label/pleural effusion": 0.0,
        "label/pleural effusion/weight": 1.0,
        **more,
    }


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory, export_classifier) -> str:
    scales = {"edema": 4.0, "pleural effusion": -2.0}
    return export_classifier(tmp_path_factory.mktemp("model"), scales, nan_above=0.99)


def predict(model_dir, files, task=MULTILABEL, subgroups=("sex",), **options) -> dict:
    from components.predictor import inference

    model = inference.ExamplesModel(model_dir, task.targets)
    batches = list(inference.predict_files(model, files, task, subgroups, **options))
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def test_probabilities_labels_and_groups(tmp_path, model_dir, write_records):
    unknown = {"label/edema": float("nan"), "label/edema/weight": 0.0}
    rows = [row(0, 51), row(1, 204, "shifted", **unknown), row(2, 204)]
    del rows[2]["subgroup/sex"]
    columns = predict(model_dir, [write_records(tmp_path / "a.gz", rows)], batch_size=2)
    low, high = 51 / 255 - 0.5, 204 / 255 - 0.5
    expected = [sigmoid(4 * low), sigmoid(4 * high), sigmoid(4 * high)]
    np.testing.assert_allclose(columns["prediction/edema"], expected, rtol=1e-6)
    np.testing.assert_allclose(
        columns["prediction/pleural effusion"],
        [sigmoid(-2 * low), sigmoid(-2 * high), sigmoid(-2 * high)],
        rtol=1e-6,
    )
    np.testing.assert_array_equal(columns["decision/edema"], [0, 1, 1])
    np.testing.assert_array_equal(columns["label/edema"], [1, 0, 1])
    np.testing.assert_array_equal(columns["label/edema/weight"], [1, 0, 1])
    assert list(columns["domain"]) == ["in_distribution", "shifted", "in_distribution"]
    assert list(columns["subgroup/sex"]) == ["F", "F", "unknown"]


def test_classes_become_one_versus_rest_targets(tmp_path, export_classifier, write_records):
    task = TaskSettings(kind="multiclass", labels=("tissue",), classes=("fat", "tumor", "muscle"))
    model = export_classifier(tmp_path / "m", {"fat": 1.0, "tumor": 2.0, "muscle": 3.0})
    label, weight = "label/tissue", "label/tissue/weight"
    values = [(2.0, 1.0), (0.0, 1.0), (1.0, 0.0)]
    rows = [row(i, 100, **{label: v, weight: w}) for i, (v, w) in enumerate(values)]
    columns = predict(model, [write_records(tmp_path / "a.gz", rows)], task, ())
    assert "label/tissue" not in columns
    np.testing.assert_array_equal(columns["label/fat"], [0, 1, 0])
    np.testing.assert_array_equal(columns["label/tumor"], [0, 0, 0])
    np.testing.assert_array_equal(columns["label/muscle"], [1, 0, 0])
    for name in task.classes:
        np.testing.assert_array_equal(columns[f"label/{name}/weight"], [1, 1, 0])


def test_table_keeps_nan_and_empty_splits_are_written(tmp_path, model_dir, write_records):
    import tensorflow as tf

    from components.predictor import inference, predictions_writer

    files = [write_records(tmp_path / "a.gz", [row(0, 255), row(1, 51), row(2, 51)])]
    model = inference.ExamplesModel(model_dir, MULTILABEL.targets)
    out = tmp_path / "out"
    with predictions_writer.PredictionsWriter(str(out), MULTILABEL.targets, ("sex",)) as writer:
        batches = inference.predict_files(model, files, MULTILABEL, ("sex",), batch_size=2)
        assert writer.write_split("test", batches) == (3, 1)
        assert writer.write_split("shifted", ()) == (0, 0)
    table = pd.read_parquet(out / "predictions.parquet")
    assert list(table["split"]) == ["test"] * 3
    assert list(table["prediction/edema"].isna()) == [True, False, False]
    assert table["uncalibrated/edema"].isna().all()
    shard = tf.data.TFRecordDataset(str(out / "Split-test/predictions-00000-of-00001.gz"), "GZIP")
    records = [tf.train.Example.FromString(one) for one in shard.as_numpy_iterator()]
    for index, record in enumerate(records):
        values = record.features.feature
        assert values["image/id"].bytes_list.value[0].decode() == table["image/id"][index]
        got = values["prediction/edema"].float_list.value[0]
        # In the place of NaN, TFMA gets the worst value: 0 for this positive label.
        assert got == (0 if index == 0 else float(table["prediction/edema"][index]))
    empty = tf.data.TFRecordDataset(
        str(out / "Split-shifted/predictions-00000-of-00001.gz"), "GZIP"
    )
    assert list(empty) == []


def test_table_holds_probabilities_before_calibration_where_the_model_tells(
    tmp_path, export_classifier, write_records
):
    from components.predictor import inference, predictions_writer

    task = TaskSettings(labels=("edema",))
    folder = export_classifier(tmp_path / "m", {"edema": 4.0, "uncalibrated/edema": 2.0})
    model = inference.ExamplesModel(folder, task.targets)
    files = [write_records(tmp_path / "a.gz", [row(0, 51), row(1, 204)])]
    with predictions_writer.PredictionsWriter(str(tmp_path / "out"), task.targets, ()) as writer:
        writer.write_split("test", inference.predict_files(model, files, task))
    table = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    expected = [sigmoid(2 * (gray / 255 - 0.5)) for gray in (51, 204)]
    np.testing.assert_allclose(table["uncalibrated/edema"], expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("leave_out", "message"),
    [("tf_examples", "it needs 'tf_examples'"), ("decision/edema", r"lacks \['decision/edema'\]")],
)
def test_model_without_signature_or_output(tmp_path, export_classifier, leave_out, message):
    from components.predictor import inference

    folder = export_classifier(tmp_path / "m", {"edema": 1.0}, leave_out=leave_out)
    with pytest.raises(InputError, match=message):
        inference.ExamplesModel(folder, ("edema",))


def test_folder_without_a_model(tmp_path):
    from components.predictor import inference

    with pytest.raises(InputError, match="not a readable SavedModel"):
        inference.ExamplesModel(str(tmp_path), ("edema",))


def test_label_out_of_range(tmp_path, model_dir, write_records):
    files = [write_records(tmp_path / "a.gz", [row(0, 10, **{"label/edema": 2.0})])]
    with pytest.raises(InputError, match="'label/edema' holds 2"):
        predict(model_dir, files)
