"""What each trainer is told."""

import pytest

from components.image_example_gen.settings import DataSettings
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
    names = {"settings", "code_digest", "checkpoint_root", "distribution", "ingestion"}
    assert set(given) == names
    images = config.upstream.data if section == "upstream" else config.data
    assert given["ingestion"] == trainer_config.ingestion_of(images).model_dump(mode="json")
    assert (given["ingestion"]["stored_size"] == 48) == (section == "upstream")
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


OWN = {"source": "manifest", "root": "/cohort/smith", "patients": "per_image"}


def test_ingestion_is_told_without_folders():
    data = DataSettings.model_validate(
        OWN
        | {
            "stored_size": 300,
            "encoding": "jpeg",
            "jpeg_quality": 91,
            "max_pixels": 12_345_678,
            "intensity": {"rule": "fixed", "low": -100, "high": 300},
            "id_key_file": "/keys/smith",
            "id_mapping": True,
            "subgroups": ["age"],
        }
    )
    found = trainer_config.ingestion_of(data)
    assert (found.stored_size, found.encoding, found.jpeg_quality) == (300, "jpeg", 91)
    assert found.max_pixels == 12_345_678
    assert (found.intensity.rule, found.intensity.low, found.intensity.high) == ("fixed", -100, 300)
    assert "smith" not in found.model_dump_json()
    everything = data.model_dump(mode="json")
    left_out = {name: everything.pop(name) for name in ("root", "id_key_file", "id_mapping")}
    assert found.data == everything
    assert left_out["root"] == "/cohort/smith"


def parts(*policies, roles=("in_distribution", "shifted", "unlabeled")):
    return DataSettings.model_validate(
        {
            "source": "combined",
            "intensity": "minmax",
            "parts": [
                OWN | {"role": role, "intensity": rule, "root": f"/cohort/{rule}-smith"}
                for role, rule in zip(roles, policies, strict=True)
            ],
        }
    )


@pytest.mark.parametrize(
    ("policies", "rule"),
    [
        (("window", "window", "declared"), "window"),  # unlabeled images are not classified
        (("window", "declared", "window"), None),
        (("declared", "declared", "declared"), "declared"),
    ],
)
def test_the_policy_of_several_data_sets_is_told_if_there_is_one(policies, rule):
    found = trainer_config.ingestion_of(parts(*policies))
    assert (found.intensity and found.intensity.rule) == rule
    assert [part["intensity"]["rule"] for part in found.data["parts"]] == list(policies)
    assert "smith" not in found.model_dump_json()
