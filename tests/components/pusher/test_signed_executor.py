"""A blessed model is pushed once its verdict is signed by the right key, and not before."""

import json
from pathlib import Path

import pytest

from components.model_gate.provenance import digests
from components.model_gate.verification import minisign
from schemas.documents.provenance import Digests, Provenance
from schemas.errors import InputError
from tests.components.model_gate.verification.test_minisign import PLAIN, PLAIN_KEY, PUBLISHED_KEY
from tests.made_documents import gate_verdict


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """An exported model, and the blessing with the verdict that ModelGate leaves there."""
    model = tmp_path / "model" / "Format-Serving"
    model.mkdir(parents=True)
    (model / "saved_model.pb").write_bytes(b"graph")
    (tmp_path / "key").write_text(PLAIN)
    write(tmp_path, blessed=True)
    # No model that a server could call.
    monkeypatch.setattr("components.pusher.answer.check_answer", lambda folder: None)
    return tmp_path


def write(folder: Path, **changed) -> None:
    """Writes a verdict on the model."""
    found = Digests(
        predictions=None,
        test_set="0" * 64,
        scores="1" * 64,
        model=digests.files(folder / "model" / "Format-Serving"),
        policy="2" * 64,
    )
    made = Provenance(
        digests=found,
        version="0",
        code="3" * 64,
        seed=0,
        judged_at="2026-01-01T00:00:00Z",
        libraries={},
        task={},
        subgroups=(),
    )
    verdict = gate_verdict(**changed).model_copy(update={"provenance": made})
    verdict.write(folder / "blessing")


def sign(folder: Path) -> None:
    key = minisign.secret_key(str(folder / "key"))
    minisign.sign(str(folder / "blessing" / "verdict.json"), key, "")


def push(folder: Path, *, key=PLAIN_KEY, judged=True, blessed=True, model="model") -> list[str]:
    """Runs the node; names in the destination."""
    from tfx import v1 as tfx
    from tfx.types import standard_artifacts

    from components.pusher.signed_executor import SignedExecutor

    exported = standard_artifacts.Model()
    exported.uri = str(folder / model)
    blessing = standard_artifacts.ModelBlessing()
    blessing.uri = str(folder / "blessing")
    blessing.set_int_custom_property("blessed", int(blessed))
    pushed = standard_artifacts.PushedModel()
    pushed.uri = str(folder / "pushed_model")
    destination = tfx.proto.PushDestination(
        filesystem=tfx.proto.PushDestination.Filesystem(base_directory=str(folder / "pushed"))
    )
    from google.protobuf import json_format

    SignedExecutor().Do(
        {"model": [exported], "model_blessing": [blessing]},
        {"pushed_model": [pushed]},
        {
            "push_destination": json_format.MessageToJson(destination),
            "custom_config": json.dumps({"public_key": key, "judged": judged}),
        },
    )
    assert pushed.get_int_custom_property("pushed") == int(blessed)
    return sorted(path.name for path in (folder / "pushed").glob("*"))


def test_signed_model_is_pushed_with_its_verdict_beside_it(folder):
    sign(folder)
    version, *beside = push(folder)
    assert beside == [f"{version}.verdict.json", f"{version}.verdict.json.minisig"]
    assert (folder / "pushed" / version / "saved_model.pb").read_bytes() == b"graph"
    place = str(folder / "pushed" / beside[0])
    assert minisign.problem(place, minisign.public_key(PLAIN_KEY)) == ""
    # Nothing is in the model's folder that was not judged.
    expected = digests.files(folder / "model" / "Format-Serving")
    assert digests.files(folder / "pushed" / version) == expected


def test_unsigned_model_stops_the_run_until_someone_signs(folder):
    verdict = folder / "blessing" / "verdict.json"
    with pytest.raises(InputError) as error:
        push(folder)
    assert f"there is no '{verdict}.minisig'" in str(error.value)
    assert f"sign {verdict} --key FILE" in str(error.value)
    assert not (folder / "pushed").exists()
    sign(folder)
    assert len(push(folder)) == 3


def test_model_that_is_not_blessed_needs_no_signature_and_is_not_pushed(folder):
    assert push(folder, blessed=False) == []


def test_signature_of_another_key_is_none(folder):
    sign(folder)
    with pytest.raises(InputError, match="another key signed it"):
        push(folder, key=PUBLISHED_KEY)


def test_verdict_changed_after_it_was_signed(folder):
    sign(folder)
    verdict = folder / "blessing" / "verdict.json"
    verdict.write_text(verdict.read_text().replace('"seed": 0', '"seed": 1'))
    with pytest.raises(InputError, match="the signature is of other content"):
        push(folder)


def test_signed_verdict_that_refuses_blesses_nothing(folder):
    write(folder, blessed=False)
    sign(folder)
    with pytest.raises(InputError, match="does not bless a model"):
        push(folder)


def test_signed_verdict_of_another_model(folder):
    sign(folder)
    (folder / "model" / "Format-Serving" / "saved_model.pb").write_bytes(b"other")
    with pytest.raises(InputError, match="is of another model"):
        push(folder)
    assert not (folder / "pushed").exists()


def test_encoder_goes_with_the_classifiers_signature(folder):
    """It is another model than the one judged; its version has no verdict of its own."""
    encoder = folder / "encoder" / "Format-Serving"
    encoder.mkdir(parents=True)
    (encoder / "saved_model.pb").write_bytes(b"encoder")
    with pytest.raises(InputError, match="is not pushed"):
        push(folder, judged=False, model="encoder")
    sign(folder)
    assert len(push(folder, judged=False, model="encoder")) == 1
