"""Tables in, one document out; embeddings as a file; commands and what they refuse."""

import json

import numpy as np
import pandas as pd
import pytest

from components.predictor import embedding_table
from components.shift_analysis.__main__ import main
from components.shift_analysis.analysis import analyze
from schemas.errors import InputError

PATIENTS = 80


@pytest.fixture
def run(tmp_path):
    """Predictions, index and embeddings as a run leaves them."""
    random = np.random.default_rng(0)
    parts = []
    for split, domain in (
        ("validation", "in_distribution"),
        ("test", "in_distribution"),
        ("shifted", "shifted"),
    ):
        label = (random.random(PATIENTS) < 0.5).astype(float)
        parts.append(
            pd.DataFrame(
                {
                    "split": split,
                    "image/id": [f"{split}{n}" for n in range(PATIENTS)],
                    "patient_id": [f"{split}{n}" for n in range(PATIENTS)],
                    "site": ["a" if n % 2 else "b" for n in range(PATIENTS)],
                    "domain": domain,
                    "subgroup/sex": ["F" if n % 3 else "M" for n in range(PATIENTS)],
                    "label/t": label,
                    "label/t/weight": 1.0,
                    "prediction/t": 1 / (1 + np.exp(-2 * label - random.normal(size=PATIENTS))),
                    "decision/t": label,
                }
            )
        )
    table = pd.concat(parts, ignore_index=True)
    table.to_parquet(tmp_path / "predictions.parquet")
    figures = {"mean": random.random(len(table)), "std": random.random(len(table))}
    index = pd.DataFrame({"image_id": table["image/id"], "height": 64, "width": 64, **figures})
    index.to_parquet(tmp_path / "index-test-0.parquet")
    for split in ("test", "shifted"):
        rows = table[table["split"] == split]
        batch = {name: rows[name].to_numpy() for name in embedding_table.TEXTS}
        batch["embedding"] = random.normal(size=(PATIENTS, 3)) + rows[["label/t"]].to_numpy()
        path = embedding_table.path_of(str(tmp_path), split)
        assert embedding_table.write(path, [batch]) == PATIENTS
    return tmp_path


def test_the_document(run, capsys):
    arguments = ["analyze", "--predictions", str(run), "--images", str(run)]
    assert main(arguments) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["worst_slices"]["looked_at"] > 4
    wheres = [set(one["where"]) for one in document["worst_slices"]["slices"]]
    assert {"site", "subgroup/sex"} in wheres
    assert [entry["figure"] for entry in document["image_figures"]] == ["mean", "std"]
    assert document["probes"]["t"]["images"] == 2 * PATIENTS  # validation is left out
    assert document["probes"]["t"]["label_in_distribution"] > 0.7


def test_parts_without_input_are_none(run):
    for path in run.glob("embeddings-*"):
        path.unlink()
    document = analyze(str(run))
    assert (document.image_figures, document.probes) == (None, None)


def test_embeddings_come_back_as_they_were(tmp_path):
    values = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    texts = {name: np.array([f"{name}{n}" for n in range(5)]) for name in embedding_table.TEXTS}
    path = embedding_table.path_of(str(tmp_path), "train")
    cut = [slice(0, 2), slice(2, 5)]
    batches = [{**{n: t[s] for n, t in texts.items()}, "embedding": values[s]} for s in cut]
    embedding_table.write(path, batches)
    found = embedding_table.read(embedding_table.files(str(tmp_path)))
    np.testing.assert_array_equal(found["embedding"], values)
    np.testing.assert_array_equal(found["image/id"], texts["image/id"])
    other = embedding_table.path_of(str(tmp_path), "test")
    embedding_table.write(other, [{**texts, "embedding": values[:, :2]}])
    with pytest.raises(InputError, match=r"have the lengths \[2, 4\]"):
        embedding_table.read([path, other])


def test_bad_tables_are_bad_input(run, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    broken = tmp_path / "broken"
    broken.mkdir()
    pd.DataFrame({"image/id": ["a"]}).to_parquet(broken / "predictions.parquet")
    for arguments, expected in (
        (["--predictions", str(tmp_path / "empty")], "can't be read"),
        (["--predictions", str(broken)], "lack ['patient_id', 'domain']"),
        (["--predictions", str(run), "--images", str(broken)], "hold no index-*.parquet"),
    ):
        assert main(["analyse", *arguments]) == 2
        assert expected in capsys.readouterr().err
    (run / "embeddings-test.parquet").write_bytes(b"no table")
    with pytest.raises(InputError, match=r"embeddings .* can't be read"):
        analyze(str(run))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--examples", "no*thing", "--output", "e.parquet"], "matches no file"),
        (["--examples", __file__, "--output", "no/where/e.parquet"], "folder does not exist"),
    ],
)
def test_embed_refuses_before_anything_heavy_is_loaded(arguments, expected, capsys):
    assert main(["embed", "--model", "m", *arguments]) == 2
    assert expected in capsys.readouterr().err
