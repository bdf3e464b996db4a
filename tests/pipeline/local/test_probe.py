"""Probes of a run's encoder: results against scikit-learn's own, and what is refused."""

import json

import numpy as np
import pytest

from pipeline.config.config import dump_config, load_config
from pipeline.local import probe
from tests.made_documents import encoder_card
from tests.trainer_modules import tiny_data

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run whose Pretrainer exported an encoder of large random weights."""
    from trainer_modules import export
    from trainer_modules.backbones import registry
    from trainer_modules.settings import ModelSettings

    root = tmp_path_factory.mktemp("run")
    config = load_config(preset="demo", overrides=["task.labels=[finding]"])
    (root / "config.yaml").write_text(dump_config(config))
    examples = root / "artifacts" / "ImageExampleGen" / "examples" / "1"
    for seed, (split, count) in enumerate((("train", 60), ("test", 40), ("shifted", 24))):
        tiny_data.write_split(examples / f"Split-{split}", tiny_data.BINARY, count, seed)
    model = ModelSettings.model_validate(tiny_data.MODEL)
    network = registry.build_backbone(model)
    network.set_weights([3 * weight for weight in network.get_weights()])
    folder = root / "artifacts" / "Pretrainer" / "model" / "7" / "Format-Serving"
    export.export_encoder(network, folder, encoder_card(seed=5, **tiny_data.MODEL))
    return root


def embedded(run, split):
    """Features and labels by the exported SavedModel, without the code under test."""
    import tensorflow as tf

    encoder = tf.saved_model.load(str(run / "artifacts/Pretrainer/model/7/Format-Serving"))
    files = sorted(map(str, (run / "artifacts/ImageExampleGen/examples/1").glob(f"*{split}/*")))
    rows, labels = [], []
    for record in tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator():
        feature = tf.train.Example.FromString(record).features.feature
        pixels = tf.io.decode_png(feature["image/encoded"].bytes_list.value[0], channels=3)
        rows.append(encoder(tf.cast(pixels, tf.float32)[None] / 255)[0].numpy())
        labels.append(feature["label/finding"].float_list.value[0])
    return np.array(rows), np.array(labels)


def test_figures_are_those_of_a_logistic_regression_on_the_exported_features(run, capsys):
    from sklearn import linear_model, metrics, pipeline, preprocessing

    file = run / "results.json"
    arguments = ["--run", str(run), "--fractions", "0.1", "1", "--draws", "3"]
    assert probe.main([*arguments, "--json", str(file)]) == 0
    results = json.loads(file.read_text())
    whole = {(f["network"], f["split"]): f for f in results if f["fraction"] == 1}
    fitted = pipeline.make_pipeline(
        preprocessing.StandardScaler(), linear_model.LogisticRegression(max_iter=300)
    ).fit(*embedded(run, "train"))
    for split in ("test", "shifted"):
        features, labels = embedded(run, split)
        auc = metrics.roc_auc_score(labels, fitted.decision_function(features))
        assert whole["encoder", split]["auc"] == pytest.approx(auc, abs=5e-3)
        assert whole["encoder", split]["patients"] == 30
        assert whole["encoder", split]["draws"] == 1
    some = [f for f in results if f["fraction"] == 0.1]
    assert {(f["patients"], f["images"], f["draws"]) for f in some} == {(3, 6, 3)}
    assert {f["network"] for f in results} == {"encoder", "random init"}
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert f"{whole['encoder', 'test']['auc']:.3f}" in lines[-1]


def test_a_folder_without_the_stage_is_refused(run, tmp_path, capsys):
    assert probe.main(["--run", str(tmp_path)]) == 2
    assert "no model of Pretrainer" in capsys.readouterr().err
    assert probe.main(["--run", str(run), "--stage", "upstream"]) == 2
    assert "--to-node Upstream" in capsys.readouterr().err


@pytest.mark.parametrize("argument", [["--fractions", "0"], ["--fractions", "2"], ["--draws", "0"]])
def test_shares_and_draws_out_of_range(run, argument, capsys):
    with pytest.raises(SystemExit):
        probe.main(["--run", str(run), *argument])
    assert argument[1] in capsys.readouterr().err
