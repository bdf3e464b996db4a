"""Our Pusher in a pipeline: blessings, the artifact, the cache, and what was pushed and is gone."""

import shutil
from pathlib import Path

import pytest

from schemas.model_versions import versions

pytestmark = pytest.mark.slow


@pytest.fixture
def push(tmp_path):
    """Runs an exporter and the Pusher; returns the Pusher's state and artifact."""
    from tfx import v1 as tfx

    from components.pusher.component import Pusher
    from pipeline.local.execution import run_nodes
    from tests.components.pusher.two_nodes import Bless, Export

    def run(blessed=True, weight=1.0):
        exported = Export(weight=weight)
        gate = Bless(blessed=int(blessed))
        pusher = Pusher(
            model=exported.outputs["model"],
            model_blessing=gate.outputs["blessing"],
            push_destination=tfx.proto.PushDestination(
                filesystem=tfx.proto.PushDestination.Filesystem(
                    base_directory=str(tmp_path / "pushed")
                )
            ),
            code_digest="digest",
        )
        results = {}
        connection = tfx.orchestration.metadata.sqlite_metadata_connection_config
        run_nodes(
            tfx.dsl.Pipeline(
                pipeline_name="pushing",
                pipeline_root=str(tmp_path / "root"),
                components=[exported, gate, pusher],
                metadata_connection_config=connection(str(tmp_path / "metadata.sqlite")),
                enable_cache=True,
            ),
            started=lambda name: None,
            ended=lambda result: results.update({result.name: result}),
        )
        return results["Pusher"].state, results["Pusher"].outputs["pushed_model"]

    return run


def answer(folder):
    import tensorflow as tf

    model = tf.saved_model.load(str(folder))
    answer = model.signatures["serving_default"](images=tf.constant([b"x"]))
    return float(answer["weight"][0, 0])


def test_a_model_that_is_not_blessed_is_not_pushed(push, tmp_path):
    state, artifact = push(blessed=False)
    assert state == "ran"
    assert artifact.get_int_custom_property("pushed") == 0
    assert not (tmp_path / "pushed").exists()


def test_pushed_cached_lost_damaged_and_changed(push, tmp_path):
    state, artifact = push()
    assert state == "ran"
    assert artifact.get_int_custom_property("pushed") == 1
    first = Path(artifact.get_string_custom_property("pushed_destination"))
    assert artifact.get_string_custom_property("pushed_version") == first.name
    assert answer(first) == answer(artifact.uri) == 1.0

    # The same again: nothing runs, and nothing is copied.
    state, artifact = push()
    assert state == "cached"
    assert [version.folder for version in versions(tmp_path / "pushed")] == [first]

    # Gone: it is pushed again, and the result says where.
    shutil.rmtree(first)
    state, artifact = push()
    assert state == "ran"
    second = Path(artifact.get_string_custom_property("pushed_destination"))
    assert [version.folder for version in versions(tmp_path / "pushed")] == [second]
    assert answer(second) == 1.0
    assert push()[0] == "cached"

    # Damaged: above it, a whole one.
    data = second / "variables" / "variables.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-1] + b"?")
    state, artifact = push()
    assert state == "ran"
    third = Path(artifact.get_string_custom_property("pushed_destination"))
    assert int(third.name) > int(second.name)
    assert answer(third) == 1.0

    # Another model.
    state, artifact = push(weight=2.0)
    assert state == "ran"
    fourth = Path(artifact.get_string_custom_property("pushed_destination"))
    assert versions(tmp_path / "pushed")[0].folder == fourth
    assert answer(fourth) == 2.0
