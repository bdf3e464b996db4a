"""history.json tells what was measured, and what was measured but is undefined."""

import json

import pytest

from schemas.documents.history import VALIDATION, Epoch, TrainingHistory

SPEED = {"learning_rate": 0.1, "seconds": 2.0, "images_per_second": 30.0}


def history(*epochs: Epoch) -> TrainingHistory:
    return TrainingHistory(
        stage="finetune", epochs=epochs, resumed_from_epoch=None, parameters=7, best_epoch=None
    )


def test_what_was_not_measured_is_absent_and_what_is_undefined_is_null(tmp_path):
    written = history(
        Epoch(epoch=1, loss=2.0, **SPEED),
        Epoch(epoch=2, loss=1.0, validation_auc=float("nan"), **SPEED),
    )
    path = written.write(tmp_path)
    epochs = json.loads(path.read_text())["epochs"]
    assert epochs[0] == {"epoch": 1, "loss": 2.0, **SPEED}
    assert epochs[1] == {"epoch": 2, "loss": 1.0, "validation_auc": None, **SPEED}
    assert TrainingHistory.read(tmp_path) == written
    assert [epoch.metrics for epoch in TrainingHistory.read(tmp_path).epochs] == [
        {"loss": 2.0, "learning_rate": 0.1},
        {"loss": 1.0, "learning_rate": 0.1, "validation_auc": None},
    ]


def test_metrics_of_another_name_are_refused():
    with pytest.raises(ValueError, match="val_loss"):
        Epoch(epoch=1, loss=2.0, val_loss=3.0, **SPEED)


def test_the_loss_has_its_counterpart_on_validation():
    assert {"loss", f"{VALIDATION}loss"} <= set(Epoch.model_fields)
