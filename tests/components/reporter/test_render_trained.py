"""The page of two real, tiny trainings: what the trainers wrote is what it shows."""

import re

import pytest

from components.reporter.page.report_inputs import ReportInputs
from components.reporter.render import render_report
from schemas.documents.history import TrainingHistory
from tests.components.reporter.drawn import heights_follow, panels
from tests.made_documents import run_settings
from tests.trainer_modules import tiny_data

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Folders of a pretraining and of the finetuning after it."""
    from trainer_modules import finetune, pretrain

    root = tmp_path_factory.mktemp("trained")
    train = tiny_data.write_split(root / "train", tiny_data.BINARY, 48)
    validation = tiny_data.write_split(root / "validation", tiny_data.BINARY, 24, seed=1)
    for trainer, name, settings in (
        (pretrain, "pretrain", tiny_data.PRETRAIN),
        (finetune, "finetune", tiny_data.FINETUNE | {"epochs": 3}),
    ):
        base = None if name == "pretrain" else str(root / "pretrain" / "Format-Serving")
        trainer.run_fn(
            tiny_data.fn_args(root, name, tiny_data.BINARY, settings, train, validation, base)
        )
    return root


@pytest.fixture(scope="module")
def page(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    runs = {f"{name}_run": trained / name / "run" for name in ("pretrain", "finetune")}
    model = trained / "finetune" / "Format-Serving"
    render_report(folder, ReportInputs(run_settings=run_settings(), model=model, **runs))
    return (folder / "index.html").read_text(encoding="utf-8")


def chart(page, stage):
    return re.search(rf'<svg[^>]*aria-label="Training curves, {stage}".*?</svg>', page, re.S)[0]


def test_training_and_validation_share_a_chart(trained, page):
    epochs = TrainingHistory.read(trained / "finetune" / "run").epochs
    losses = [[epoch.loss for epoch in epochs], [epoch.validation_loss for epoch in epochs]]
    assert len(losses[0]) == 3
    drawn = chart(page, "finetune")
    assert heights_follow(panels(drawn)["Loss"], losses)
    assert ">training<" in drawn
    assert ">validation<" in drawn


def test_what_has_no_counterpart_stands_alone(trained, page):
    drawn = panels(chart(page, "finetune"))
    epochs = TrainingHistory.read(trained / "finetune" / "run").epochs
    assert set(drawn) == {"Loss", "Validation AUC", "Validation PR AUC", "Learning rate"}
    assert heights_follow(drawn["Validation AUC"], [[epoch.validation_auc for epoch in epochs]])
    pretraining = TrainingHistory.read(trained / "pretrain" / "run").epochs
    assert heights_follow(
        panels(chart(page, "pretrain"))["Contrastive top-1 accuracy"],
        [[epoch.contrastive_top1 for epoch in pretraining]],
    )
    assert set(panels(chart(page, "pretrain"))) == {
        "Loss",
        "Contrastive top-1 accuracy",
        "Entropy",
        "Learning rate",
    }
