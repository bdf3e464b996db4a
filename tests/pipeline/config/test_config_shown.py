"""The configuration as it is shown: complete, and with what a run would still need."""

import pytest
import yaml

from pipeline.config.config import dump_config, load_config, show_config
from schemas.errors import InputError

MISSING_ROOT = (
    "# a run needs more: setting 'data': root is empty: source 'chexpert' needs the data set's"
)


def test_a_complete_configuration_is_shown_as_it_is_saved():
    given = {"preset": "demo", "overrides": ["seed=5", "finetune.epochs=2"]}
    shown = show_config(**given)
    assert shown == dump_config(load_config(**given))
    tree = yaml.safe_load(shown)
    assert (tree["seed"], tree["finetune"]["epochs"]) == (5, 2)
    assert list(tree)[:3] == ["name", "seed", "task"]


def test_a_file_is_shown_like_a_preset(tmp_path):
    file = tmp_path / "own.yaml"
    file.write_text(dump_config(load_config(preset="demo", overrides=["seed=6"])))
    assert yaml.safe_load(show_config(path=str(file)))["seed"] == 6


def test_what_a_run_needs_more_comes_first_and_the_rest_is_shown():
    overrides = ["data.source=chexpert", "model.init.source=encoder", "seed=7"]
    with pytest.raises(InputError, match="root is empty"):
        load_config(preset="demo", overrides=overrides)
    shown = show_config(preset="demo", overrides=overrides)
    first, second, *rest = shown.splitlines()
    assert first.startswith(MISSING_ROOT)
    assert second.startswith("# a run needs more: setting 'model.init': source 'encoder' with path")
    assert not any(line.startswith("#") for line in rest)
    assert yaml.safe_load(shown)["seed"] == 7


def test_what_is_wrong_is_refused_all_the_same():
    with pytest.raises(InputError, match=r"demo\.yaml and --set: setting 'seed': received -1"):
        show_config(preset="demo", overrides=["seed=-1"])
    with pytest.raises(InputError, match="'random' takes no path"):
        show_config(preset="demo", overrides=["model.init.path=/weights"])
