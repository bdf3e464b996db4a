"""Partial runs: what must have run before, and what need not."""

import pytest

from schemas.errors import InputError

pytestmark = [pytest.mark.slow, pytest.mark.tfx]


@pytest.fixture
def run(tmp_path):
    """Runs a pipeline of three nodes, of which `Train` needs `Ingest` alone."""
    from pipeline.local.execution import run_nodes
    from tests.pipeline.local.three_nodes import three_nodes

    def partly(name="three", **nodes):
        states = []
        run_nodes(
            three_nodes(tmp_path, name),
            started=lambda name: None,
            ended=lambda result: states.append(result.state),
            **nodes,
        )
        return states

    return partly


def test_up_to_a_node_in_a_fresh_folder(run):
    # In order: ImportSchema, Ingest, Train.
    assert run(to_nodes=["Ingest"]) == ["skipped", "ran", "skipped"]
    # The first run made what the second one needs; the schema still has not run.
    assert run(to_nodes=["Train"]) == ["skipped", "cached", "ran"]
    assert run(from_nodes=["Train"]) == ["skipped", "skipped", "cached"]


def test_another_pipeline_in_the_folder_is_none_of_ours(run):
    assert run(to_nodes=["Train"]) == ["skipped", "ran", "ran"]
    assert run("others", to_nodes=["Ingest"]) == ["skipped", "ran", "skipped"]
    assert run(from_nodes=["Train"]) == ["skipped", "skipped", "cached"]


def test_from_a_node_in_a_fresh_folder(run):
    with pytest.raises(InputError, match="made of Ingest, and no run has"):
        run(from_nodes=["Train"])


def test_a_node_that_does_not_exist(run):
    with pytest.raises(InputError, match=r"node 'Ingst' does not exist; accepted: .*Ingest"):
        run(to_nodes=["Ingst"])
