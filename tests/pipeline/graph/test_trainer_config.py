"""What each trainer is told."""

import pytest

from pipeline.config.config import load_config
from pipeline.graph import trainer_config
from tests.pipeline.graph.conftest import SETTINGS, UPSTREAM


@pytest.fixture(scope="module")
def config():
    return load_config(preset="demo", overrides=[*SETTINGS, *UPSTREAM])


@pytest.mark.parametrize(
    ("function", "module", "section"),
    [
        (trainer_config.UPSTREAM, "upstream", "upstream"),
        (trainer_config.PRETRAIN, "pretrain", "pretrain"),
        (trainer_config.FINETUNE, "finetune", "finetune"),
        (trainer_config.SEARCH, "search", "finetune"),
    ],
)
def test_a_trainer_gets_its_own_section_and_what_all_share(config, function, module, section):
    assert function.rpartition(".")[0] == f"trainer_modules.{module}"
    given = trainer_config.trainer_config(config, function, "/checkpoints")
    assert set(given) == {"settings", "code_digest", "checkpoint_root", "distribution"}
    assert given["checkpoint_root"] == "/checkpoints"
    assert given["distribution"] == config.distribution.model_dump(mode="json")
    assert given["distribution"]["strategy"] == "one_device"
    assert set(given["settings"]) == {"task", "model", "seed", section}
    assert given["settings"]["seed"] == 17
    assert given["settings"]["model"]["root_filters"] == 24
    labels = ["wheel"] if section == "upstream" else ["edema", "effusion"]
    assert given["settings"]["task"]["labels"] == labels
    own = config.upstream.training if section == "upstream" else getattr(config, section)
    assert given["settings"][section] == own.model_dump(mode="json")
