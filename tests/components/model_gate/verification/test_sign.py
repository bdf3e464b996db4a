"""`sign`, and what `verify` says of signatures."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.model_gate.__main__ import main
from tests.components.model_gate.verification.test_minisign import PLAIN, PLAIN_KEY, PUBLISHED_KEY


@pytest.fixture
def verdict(tmp_path, capsys) -> str:
    random = np.random.default_rng(0)
    label = random.integers(0, 2, 80)
    pd.DataFrame(
        {
            "patient_id": [f"p{number}" for number in range(80)],
            "domain": np.where(np.arange(80) % 2, "shifted", "in_distribution"),
            "label": label,
            "score": (label * 0.4 + random.random(80) * 0.6).round(4),
        }
    ).to_csv(tmp_path / "a.csv", index=False)
    main(["--predictions", str(tmp_path / "a.csv"), "--output", str(tmp_path / "verdict.json")])
    (tmp_path / "plain.key").write_text(PLAIN)
    capsys.readouterr()
    return str(tmp_path / "verdict.json")


def test_signed_verdict_is_verified(verdict, tmp_path, capsys):
    assert main(["sign", verdict, "--key", str(tmp_path / "plain.key")]) == 0
    assert capsys.readouterr().out == f"{verdict}.minisig\n"
    document = json.loads(Path(verdict).read_text())
    comment = Path(f"{verdict}.minisig").read_text().splitlines()[2]
    assert comment.startswith(f"trusted comment: {document['outcome']}, model ")
    assert document["provenance"]["digests"]["test_set"][:12] in comment
    assert main(["verify", verdict, "--public-key", PLAIN_KEY]) == 0
    assert "same        signature\n" in capsys.readouterr().out
    assert main(["verify", verdict, "--public-key", PUBLISHED_KEY]) == 4
    assert "DIFFERS     signature: another key signed it" in capsys.readouterr().out
    assert main(["verify", verdict]) == 0
    assert "not checked signature: give --public-key" in capsys.readouterr().out


def test_verdict_changed_after_it_was_signed(verdict, tmp_path, capsys):
    main(["sign", verdict, "--key", str(tmp_path / "plain.key")])
    content = Path(verdict).read_text()
    Path(verdict).write_text(content.replace('"warnings": [', '"warnings":  ['))
    assert main(["verify", verdict, "--public-key", PLAIN_KEY]) == 4
    assert "DIFFERS     signature: the signature is of other content" in capsys.readouterr().out


def test_unsigned_verdict_is_no_pass(verdict, capsys):
    assert main(["verify", verdict, "--public-key", PLAIN_KEY]) == 4
    assert "DIFFERS     signature: there is no '" in capsys.readouterr().out


def test_what_is_no_verdict_is_not_signed(verdict, tmp_path, capsys):
    (tmp_path / "other.json").write_text("{}")
    assert main(["sign", str(tmp_path / "other.json"), "--key", str(tmp_path / "plain.key")]) == 2
    assert main(["sign", verdict, "--key", str(tmp_path / "none.key")]) == 2
    assert not list(tmp_path.glob("*.minisig"))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("error: secret key '")
