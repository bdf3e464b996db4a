"""Finding the last pushed model."""

import pytest

from components.model_gate.serving.baseline import folder_size, last_pushed
from components.predictor.originals.pushed import model_digest


def saved_model(folder, graph=b"graph", variables=b"variables"):
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(graph)
    (folder / "variables" / "variables.data-00000-of-00001").write_bytes(variables)
    return folder


@pytest.fixture
def candidate(tmp_path) -> str:
    return str(saved_model(tmp_path / "candidate", b"candidate"))


def test_nothing_pushed(tmp_path, candidate):
    assert last_pushed(str(tmp_path / "none"), candidate) is None
    (tmp_path / "pushed").mkdir()
    assert last_pushed(str(tmp_path / "pushed"), candidate) is None


def test_address_is_not_taken_for_an_empty_folder(candidate):
    with pytest.raises(OSError, match="mounted folder"):
        last_pushed("s3://bucket/pushed", candidate)


def test_newest_by_number_and_hostile_names_ignored(tmp_path, candidate):
    pushed = tmp_path / "pushed"
    for name in ("9", "1700000000", "1699999999"):
        saved_model(pushed / name, name.encode())
    hostile = ("9999999999x", "-1", "٩٩٩٩٩٩٩٩٩٩٩٩", "1e30", " 9999999999", "9" * 400, "..a", "²")
    for name in hostile:
        if len(name) < 200:
            saved_model(pushed / name)
    (pushed / "9999999998").mkdir()  # being copied: the graph comes last
    (pushed / "9999999997").write_text("a file")
    found = last_pushed(str(pushed), candidate)
    assert found.version == "1700000000"
    assert found.folder == pushed / "1700000000"


def test_candidate_that_was_pushed_already_is_compared_with_the_one_before(tmp_path, candidate):
    pushed = tmp_path / "pushed"
    saved_model(pushed / "1", b"old")
    saved_model(pushed / "2", b"candidate")
    assert last_pushed(str(pushed), candidate).version == "1"
    saved_model(pushed / "3", b"candidate", b"other variables")
    assert last_pushed(str(pushed), candidate).version == "3"


def test_digest_sees_graph_and_variables_and_nothing_else(tmp_path):
    first = saved_model(tmp_path / "a")
    same = saved_model(tmp_path / "b")
    (same / "assets.extra").mkdir()
    (same / "assets.extra" / "card.json").write_text("{}")
    assert model_digest(first) == model_digest(same)
    # The border between two files is part of the digest.
    assert model_digest(first) != model_digest(saved_model(tmp_path / "c", b"grap", b"hvariables"))
    assert folder_size(same) == folder_size(first) + 2
