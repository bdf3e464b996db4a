"""Pseudonyms and their key."""

import hashlib
import hmac
import stat

import pytest

from components.image_example_gen import privacy
from schemas.errors import InputError


def test_pseudonyms_are_keyed_and_say_nothing():
    names = privacy.Pseudonyms(b"k" * 16)
    expected = hmac.new(b"k" * 16, b"patient\x1fp1", hashlib.sha256).hexdigest()[:32]
    assert names.patient("p1") == expected
    assert len(names.patient("p1")) == 32
    assert names.patient("p1") != names.image("p1")
    kinds = {names.patient("x"), names.image("x"), names.study("x"), names.slide("x")}
    assert len(kinds) == 4
    assert names.study("") == names.slide("") == ""
    assert names.patient("p1") != privacy.Pseudonyms(b"l" * 16).patient("p1")


def test_the_key_file_comes_before_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv(privacy.KEY_VARIABLE, "e" * 20)
    assert privacy.read_key("manifest", "") == b"e" * 20
    path = privacy.ensure_key_file(str(tmp_path / "key"))
    assert privacy.read_key("manifest", path) == (tmp_path / "key").read_bytes().strip()


def test_key_files_are_random_private_and_kept(tmp_path):
    first = privacy.ensure_key_file(str(tmp_path / "a"))
    second = privacy.ensure_key_file(str(tmp_path / "b"))
    content = (tmp_path / "a").read_bytes()
    assert content != (tmp_path / "b").read_bytes()
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600
    assert privacy.ensure_key_file(first) == first
    assert (tmp_path / "a").read_bytes() == content
    assert privacy.read_key("manifest", first) != privacy.read_key("manifest", second)


def test_without_a_key_real_data_are_refused(tmp_path, monkeypatch):
    monkeypatch.delenv(privacy.KEY_VARIABLE, raising=False)
    with pytest.raises(InputError, match=r"data.id_key_file.*REMEDIS_ID_KEY"):
        privacy.read_key("manifest", "")
    with pytest.raises(InputError, match="none' cannot be read"):
        privacy.read_key("manifest", str(tmp_path / "none"))
    (tmp_path / "short").write_text("short\n")
    with pytest.raises(InputError, match="holds 5 characters"):
        privacy.read_key("manifest", str(tmp_path / "short"))


def test_synthetic_patients_have_a_constant_key(monkeypatch):
    monkeypatch.setenv(privacy.KEY_VARIABLE, "e" * 20)
    key = privacy.read_key("synthetic", "")
    monkeypatch.delenv(privacy.KEY_VARIABLE)
    assert key == privacy.read_key("synthetic", "")


def test_the_mapping_lies_beside_the_key_for_its_owner_alone(tmp_path):
    names = privacy.Pseudonyms(b"k" * 16)
    with privacy.IdMapping(str(tmp_path / "key")) as mapping:
        for identity in ("MRN-1", "MRN-2", "MRN-1", ""):
            mapping.add("patient", identity, names.patient(identity))
        assert not (tmp_path / "key.mapping.csv").exists()
    path = tmp_path / "key.mapping.csv"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().splitlines() == [
        "kind,identity,pseudonym",
        f"patient,MRN-1,{names.patient('MRN-1')}",
        f"patient,MRN-2,{names.patient('MRN-2')}",
    ]
    assert [p.name for p in tmp_path.iterdir()] == ["key.mapping.csv"]


def test_a_mapping_that_ends_badly_leaves_no_identities(tmp_path):
    (tmp_path / ".key.mapping.csv.0a1b.part").write_text("of a run that was killed")
    path = tmp_path / "key.mapping.csv"
    path.write_text("older")

    def break_off():
        with privacy.IdMapping(str(tmp_path / "key")) as mapping:
            mapping.add("patient", "MRN-1", "p")
            raise RuntimeError("broken off")

    with pytest.raises(RuntimeError, match="broken off"):
        break_off()
    assert [p.name for p in tmp_path.iterdir()] == ["key.mapping.csv"]
    assert path.read_text() == "older"


def test_without_a_key_file_there_is_no_place_for_the_mapping():
    with pytest.raises(InputError, match=r"name a file in data\.id_key_file"):
        privacy.IdMapping("")
