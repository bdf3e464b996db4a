"""What the gate reads: pushed models of any kind, and test images of both domains."""

import pytest

from components.model_gate.serving import inputs
from trainer_modules.settings import TaskSettings

TASK = TaskSettings(kind="binary", labels=("edema",))


@pytest.fixture(scope="module")
def files(tmp_path_factory, write_records) -> dict[str, list[str]]:
    folder = tmp_path_factory.mktemp("records")
    found = {}
    for split, number in (("test", 5), ("shifted", 2)):
        rows = [
            {
                "brightness": 10 * index,
                "image/id": f"{split}{index}",
                "patient_id": f"{split}{index}",
                "domain": split,
                "label/edema": 1.0,
            }
            for index in range(number)
        ]
        found[split] = [write_records(folder / f"{split}.gz", rows)]
    return found | {"empty": []}


@pytest.fixture(scope="module")
def candidate(tmp_path_factory, export_classifier) -> str:
    return export_classifier(tmp_path_factory.mktemp("candidate"), {"edema": 1.0})


@pytest.mark.slow
def test_pushed_model_predicts_the_same_images(tmp_path, files, candidate, export_classifier):
    export_classifier(tmp_path / "1700000000", {"edema": 2.0})
    baseline, table = inputs.baseline_predictions(str(tmp_path), candidate, files, TASK)
    assert (baseline.version, baseline.problem) == ("1700000000", "")
    assert len(table) == 7
    assert table["prediction/edema"].notna().all()


def test_nothing_pushed(tmp_path, files, candidate):
    baseline, table = inputs.baseline_predictions(str(tmp_path), candidate, files, TASK)
    assert (baseline.version, baseline.problem, table) == (None, "", None)


def test_unreadable_pushed_model_is_a_reason(tmp_path, files, candidate):
    (tmp_path / "17" / "variables").mkdir(parents=True)
    (tmp_path / "17" / "saved_model.pb").write_bytes(b"not a model")
    baseline, table = inputs.baseline_predictions(str(tmp_path), candidate, files, TASK)
    assert baseline.version == "17"
    assert "not a readable SavedModel" in baseline.problem
    assert table is None


def test_pushed_model_with_other_targets_is_a_reason(tmp_path, files, candidate, export_classifier):
    export_classifier(tmp_path / "17", {"tumor": 1.0})
    baseline, _ = inputs.baseline_predictions(str(tmp_path), candidate, files, TASK)
    assert "lacks ['decision/edema', 'edema']" in baseline.problem


def test_pushed_model_that_fails_when_called_is_a_reason(tmp_path, files, candidate):
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def fails(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.control_dependencies([tf.debugging.Assert(False, ["out of order"])]):
            value = tf.zeros([tf.size(examples), 1])
        return {"edema": value, "decision/edema": value}

    tf.saved_model.save(tf.Module(), str(tmp_path / "17"), signatures={"tf_examples": fails})
    baseline, table = inputs.baseline_predictions(str(tmp_path), candidate, files, TASK)
    assert "out of order" in baseline.problem
    assert table is None


def test_images_to_try_come_from_each_domain_in_turn(files):
    assert list(inputs._some_images(files, 3)) == ["test0", "shifted0", "test1"]
    assert len(inputs._some_images(files, 100)) == 7
