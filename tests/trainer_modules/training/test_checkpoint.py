"""Checkpoints: whole or absent, newest usable one found, a digest that tells runs apart."""

import numpy as np
import pytest

from trainer_modules.training.checkpoint import Checkpoint, CheckpointStore, run_digest

SHAPES = {"model": [(2, 3), ()]}


def saved(store, *positions):
    for position in positions:
        arrays = {"model": [np.full((2, 3), position, np.float32), np.array(position)]}
        store.save(position, Checkpoint({"epoch": position}, arrays))


def test_the_last_two_are_kept_and_the_newest_is_read(tmp_path):
    store = CheckpointStore(str(tmp_path), "run")
    saved(store, 1, 2, 3)
    assert [path.name for path in sorted((tmp_path / "run").iterdir())] == [
        "checkpoint-0000000002.npz",
        "checkpoint-0000000003.npz",
    ]
    found = store.latest(SHAPES)
    assert found.state == {"epoch": 3}
    np.testing.assert_array_equal(found.arrays["model"][0], np.full((2, 3), 3))


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "text"])
def test_a_damaged_file_is_passed_over(tmp_path, damage):
    store = CheckpointStore(str(tmp_path), "run")
    saved(store, 1, 2)
    path = tmp_path / "run" / "checkpoint-0000000002.npz"
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        where = content.index(np.full(6, 2, np.float32).tobytes())
        content[where] ^= 0xFF
    kept = {"truncated": content[:-40], "flipped": content, "empty": b"", "text": b"no zip"}
    path.write_bytes(kept[damage])
    assert store.latest(SHAPES).state == {"epoch": 1}


def test_other_shapes_do_not_fit(tmp_path):
    store = CheckpointStore(str(tmp_path), "run")
    saved(store, 1)
    assert store.latest({"model": [(3, 2), ()]}) is None
    assert store.latest({"optimizer": [(3,)]}) is None


def test_nothing_saved_and_deleted(tmp_path):
    store = CheckpointStore(str(tmp_path), "run")
    assert store.latest(SHAPES) is None
    saved(store, 1)
    store.delete()
    assert store.latest(SHAPES) is None
    store.delete()


def test_an_interrupted_save_leaves_the_older_checkpoint(tmp_path, monkeypatch):
    store = CheckpointStore(str(tmp_path), "run")
    saved(store, 1)
    monkeypatch.setattr(np, "savez", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        saved(store, 2)
    assert store.latest(SHAPES).state == {"epoch": 1}
    assert len(list((tmp_path / "run").iterdir())) == 1


def test_fingerprint_sees_settings_code_and_data_but_not_the_artifact_number():
    files = [("/runs/examples/7/Split-train/a.gz", 10)]
    base = run_digest({"seed": 1}, "code", files)
    assert base == run_digest({"seed": 1}, "code", [("/runs/examples/9/Split-train/a.gz", 10)])
    others = [
        run_digest({"seed": 2}, "code", files),
        run_digest({"seed": 1}, "edited", files),
        run_digest({"seed": 1}, "code", [("/runs/examples/7/Split-train/a.gz", 11)]),
        run_digest({"seed": 1}, "code", [("/runs/examples/7/Split-validation/a.gz", 10)]),
    ]
    assert base not in others
