"""What a local run refuses before anything ran."""

import pytest

from pipeline.config.config import load_config
from pipeline.local.run import run_locally
from schemas.errors import InputError


@pytest.mark.parametrize("prefix", ["", "upstream."])
def test_missing_images_are_refused_by_the_name_of_their_setting(tmp_path, prefix):
    overrides = [f"{prefix}data.source=manifest", f"{prefix}data.root={tmp_path / 'nowhere'}"]
    overrides += [f"{prefix}task.labels=[wheel]", f"upstream.enabled={str(bool(prefix)).lower()}"]
    with pytest.raises(InputError) as refusal:
        run_locally(load_config(preset="demo", overrides=overrides), str(tmp_path / "run"))
    assert str(tmp_path / "nowhere") in str(refusal.value)
    assert str(refusal.value).startswith("upstream: " if prefix else "data.root")
    assert not (tmp_path / "run" / "config.yaml").exists()
