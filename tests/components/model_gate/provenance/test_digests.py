"""Digests against hashlib, struct and sha256sum, which know nothing of pandas or Arrow."""

import hashlib
import json
import shutil
import struct
import subprocess

import numpy as np
import pandas as pd
import pytest

from components.model_gate.policy.settings import GateSettings
from components.model_gate.provenance import digests
from components.model_gate.standalone.prediction_file import read_predictions
from schemas.errors import InputError

CSV = """patient_id,domain,label,score,site,sex
p1,in_distribution,1,0.91,north,F
p1,in_distribution,,0.84,north,F
p2,shifted,0,1e-05,süd,M
p3,shifted,1,nan,,M
"""
NUMBERS = ("label", "score")


def by_hand(rows: list[dict[str, str]]) -> str:
    """The definition of docs/provenance.md, cell by cell."""
    names = sorted(rows[0])

    def cell(name, text):
        if name not in NUMBERS:
            return text.encode()
        return float(text or "nan")

    def key(row):
        # Numbers that are missing are last.
        return [
            (value != value, 0 if value != value else value)
            if isinstance(value := cell(name, row[name]), float)
            else value
            for name in names
        ]

    ordered = sorted(rows, key=key)
    kinds = [[name, "number" if name in NUMBERS else "text"] for name in names]
    content = json.dumps({"columns": kinds, "rows": len(rows)}, sort_keys=True).encode() + b"\n"
    for name in names:
        cells = [cell(name, row[name]) for row in ordered]
        if name in NUMBERS:
            content += b"".join(struct.pack("<d", one) for one in cells)
        else:
            content += b"".join(struct.pack("<q", len(one)) for one in cells) + b"".join(cells)
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def table(tmp_path):
    def read(text: str, suffix: str = ".csv") -> pd.DataFrame:
        path = tmp_path / f"table{suffix}"
        path.write_text(text)
        return read_predictions(str(path))

    return read


def test_digest_is_the_documented_one(table):
    header, *lines = CSV.splitlines()
    rows = [dict(zip(header.split(","), line.split(","), strict=True)) for line in lines]
    assert digests.predictions(table(CSV)) == by_hand(rows)


def test_a_known_value():
    """Computed once with printf, od and sha256sum: two rows of one number and one text column."""
    content = b'{"columns": [["a", "number"], ["b", "text"]], "rows": 2}\n'
    content += bytes.fromhex("0000000000000000000000000000f03f")  # 0.0, 1.0
    content += bytes([2, *[0] * 7, 1, *[0] * 7]) + b"xyz"
    done = subprocess.run(["sha256sum"], input=content, capture_output=True, check=True)
    found = digests.content({"b": np.array(["z", "xy"], object), "a": np.array([1, 0])})
    assert found == done.stdout.split()[0].decode()


@pytest.mark.parametrize("seed", range(3))
def test_order_and_form_do_not_matter(table, tmp_path, seed):
    random = np.random.default_rng(seed)
    raw = table(CSV)
    expected = digests.predictions(raw)
    mixed = raw.sample(frac=1, random_state=seed)[list(random.permutation(raw.columns))]
    assert digests.predictions(mixed) == expected
    typed = mixed.assign(**{name: pd.to_numeric(mixed[name], errors="coerce") for name in NUMBERS})
    typed["site"] = typed["site"].replace("", None)
    typed.to_parquet(tmp_path / "table.parquet", index=False)
    assert digests.predictions(read_predictions(str(tmp_path / "table.parquet"))) == expected


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("p2,shifted,0", "p2,shifted,1"),
        ("p3,shifted,1", "p3,shifted,"),
        ("0.84", "0.8400000000000001"),
        ("p3", "p4"),
        ("süd", "sud"),
        ("sex", "age"),
        ("in_distribution,,", "shifted,,"),
        ("p1,in_distribution,,0.84,north,F\n", ""),
        ("p2,shifted,0,1e-05,süd,M\n", "p2,shifted,0,1e-05,süd,M\n" * 2),
        # The same letters, cut elsewhere.
        (",süd,M", ",sü,dM"),
    ],
)
def test_every_change_of_content_changes_the_digest(table, old, new):
    assert old in CSV
    assert digests.predictions(table(CSV.replace(old, new))) != digests.predictions(table(CSV))


@pytest.mark.parametrize(
    ("old", "new"),
    [("0.91", "0.910"), ("1e-05", "0.00001"), (",1,nan", ",true,nan"), (",1,", ",1.0,")],
)
def test_numbers_count_by_their_value(table, old, new):
    assert old in CSV
    assert digests.predictions(table(CSV.replace(old, new))) == digests.predictions(table(CSV))


def test_zeros_have_one_sign_and_ids_keep_their_zeros():
    one, other = ({"score": np.array([value])} for value in (0.0, -0.0))
    assert digests.content(one) == digests.content(other)
    one, other = (pd.DataFrame({"patient_id": [name]}, dtype=object) for name in ("7", "07"))
    assert digests.predictions(one) != digests.predictions(other)


def test_damaged_text_has_a_digest():
    found = digests.content({"a": np.array(["\ud800", ""], object)})
    assert len(found) == 64


def judged(**changed) -> pd.DataFrame:
    columns = {
        "patient_id": ["p1", "p2", "p3"],
        "domain": ["in_distribution", "shifted", "shifted"],
        "site": ["a", "b", "b"],
        "label/x": [1.0, 0.0, 0.0],
        "label/x/weight": [1.0, 1.0, 0.0],
        "prediction/x": [0.9, 0.1, 0.5],
        "decision/x": [1.0, 0.0, 1.0],
    }
    return pd.DataFrame(columns | changed)


def keys(table: pd.DataFrame, images=None) -> tuple[str, str]:
    shared = digests.test_set(table, ["x"], images)
    return digests.content(shared), digests.content(shared | digests.scores(table, ["x"]))


@pytest.mark.parametrize(
    ("changed", "same_set", "same_model"),
    [
        ({"prediction/x": [0.9, 0.2, 0.5]}, True, False),
        # Another threshold is another model: it could have been chosen on the test set.
        ({"decision/x": [0.0, 0.0, 1.0]}, True, False),
        ({"site": ["a", "b", "c"]}, True, True),
        # An image without a label is no evidence.
        ({"prediction/x": [0.9, 0.1, 0.6], "patient_id": ["p1", "p2", "p4"]}, True, True),
        ({"label/x": [1.0, 1.0, 0.0]}, False, False),
        ({"domain": ["shifted"] * 3}, False, False),
        ({"patient_id": ["p1", "p4", "p3"]}, False, False),
    ],
)
def test_what_makes_a_test_set_and_a_model(changed, same_set, same_model):
    first, other = keys(judged()), keys(judged(**changed))
    assert (first[0] == other[0], first[1] == other[1]) == (same_set, same_model)


def test_images_are_part_of_a_test_set_that_names_them():
    found = {keys(judged(), images)[0] for images in (None, ["1", "2", "3"], ["1", "4", "3"])}
    assert len(found) == 3


def test_folder_has_the_digest_of_its_sha256sums(tmp_path):
    for name, content in {"b.pb": "graph", "variables/a": "", "a b.txt": "card"}.items():
        path = tmp_path / "model" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    listing = subprocess.run(
        "find . -type f -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum",
        shell=True,
        cwd=tmp_path / "model",
        capture_output=True,
        text=True,
        check=True,
    )
    assert digests.files(tmp_path / "model") == listing.stdout.split()[0]
    moved = tmp_path / "elsewhere"
    shutil.copytree(tmp_path / "model", moved)
    assert digests.files(moved) == listing.stdout.split()[0]
    (moved / "b.pb").write_text("Graph")
    assert digests.files(moved) != listing.stdout.split()[0]


@pytest.mark.parametrize("make", ["nothing", "empty", "file"])
def test_what_is_no_model_is_refused(tmp_path, make):
    path = tmp_path / "model"
    if make == "empty":
        path.mkdir()
    if make == "file":
        path.write_text("x")
    with pytest.raises(InputError, match=r"model '.*' is not a folder with files"):
        digests.files(path)


def test_policy_has_the_digest_of_its_settings():
    settings = GateSettings(max_gap=0.1, ledger="/elsewhere")
    tree = settings.model_dump(mode="json")
    del tree["ledger"]  # a place is not a rule
    expected = hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()
    assert digests.policy(settings) == expected
    assert digests.policy(GateSettings(max_gap=0.1)) == expected
    assert digests.policy(GateSettings(max_gap=0.11)) != expected
