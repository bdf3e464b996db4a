"""Both trainers on tiny data: what they write, what they refuse, what their exports answer."""

import json
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special

from schemas.errors import InputError
from tests.trainer_modules import tiny_data
from trainer_modules import finetune, pretrain
from trainer_modules.probes import linear
from trainer_modules.supervised import bit_hyperrule

pytestmark = pytest.mark.slow

# Runs in another folder, so that no module of this repository can be imported.
SERVE = """
import json, sys
import numpy as np
import tensorflow as tf
classifier, encoder = (tf.saved_model.load(folder) for folder in sys.argv[1:3])
record = next(iter(tf.data.TFRecordDataset(sys.argv[3], "GZIP"))).numpy()
feature = tf.train.Example.FromString(record).features.feature
png = feature["image/encoded"].bytes_list.value[0]
pixels = tf.io.decode_image(png, channels=3, expand_animations=False)
jpeg = tf.io.encode_jpeg(tf.image.resize(pixels, (50, 40), "nearest")).numpy()
images = tf.constant([png, jpeg])
# One that is damaged concerns no other.
three = classifier.signatures["serving_default"](images=tf.constant([png, jpeg, jpeg[:-200]]))
refused = three.pop("image/refused")
served = {name: value[:2] for name, value in three.items()}
examples = classifier.signatures["tf_examples"](examples=tf.constant([record]))
pixels = tf.cast(pixels, tf.float32)[None] / 255
called = encoder(pixels)
print(json.dumps({
    "signatures": [sorted(classifier.signatures), sorted(encoder.signatures)],
    "served": {name: value.numpy().tolist() for name, value in served.items()},
    "examples": {name: value.numpy().tolist() for name, value in examples.items()},
    "refused": [why.decode() for why in refused.numpy()[:, 0]],
    "damaged": np.isfinite(next(iter(three.values())).numpy()[:, 0]).tolist(),
    "of_files": encoder.signatures["serving_default"](images=images)["embedding"].numpy().tolist(),
    "of_examples": classifier.signatures["embed_examples"](examples=tf.constant([record]))[
        "embedding"
    ].numpy().tolist(),
    "of_images": classifier.signatures["embed"](images=images)["embedding"].numpy().tolist(),
    "classifier_embedding": list(classifier.signatures["embed"](images=images)["embedding"].shape),
    "embedding": encoder.signatures["embed"](images=pixels)["embedding"].numpy().tolist(),
    "called": called.numpy().tolist(),
    "other_size": list(encoder(tf.zeros([3, 47, 64, 3])).shape),
    "names": json.loads(open(classifier.target_names.asset_path.numpy()).read()),
    "imported": [name for name in sys.modules if name.startswith("trainer_modules")],
}))
"""


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    """Folder of a pretrained run."""
    root = tmp_path_factory.mktemp("pretrained")
    task = tiny_data.BINARY
    train = tiny_data.write_split(root / "Split-train", task, 48)
    validation = tiny_data.write_split(root / "Split-validation", task, 36, seed=1)
    pretrain.run_fn(
        tiny_data.fn_args(root, "pretrain", task, tiny_data.PRETRAIN, train, validation)
    )
    return root


@pytest.fixture(scope="module", params=["binary", "multilabel", "multiclass"])
def trained(request, pretrained, tmp_path_factory):
    """Folder of a finetuned run, its task, and its arguments."""
    root = tmp_path_factory.mktemp(request.param)
    task = getattr(tiny_data, request.param.upper())
    train = tiny_data.write_split(root / "Split-train", task, 48)
    validation = tiny_data.write_split(root / "Split-validation", task, 36, seed=1)
    encoder = str(pretrained / "pretrain" / "Format-Serving")
    # One of them in mixed precision: the export is float32 all the same.
    precision = {"multilabel": "mixed_bfloat16"}.get(request.param, "float32")
    settings = tiny_data.FINETUNE | {"precision": precision}
    args = tiny_data.fn_args(
        root, "finetune", task, settings, train, validation, base_model=encoder
    )
    finetune.run_fn(args)
    assert keras.config.dtype_policy().name == "float32"
    return root, task, args


def read_json(path: pathlib.Path):
    return json.loads(path.read_text())


def test_histories_tell_every_epoch(pretrained, trained):
    history = read_json(pretrained / "pretrain" / "run" / "history.json")
    assert history["stage"] == "pretrain"
    assert history["resumed_from_epoch"] is None
    assert history["parameters"] > 1000
    assert [epoch["epoch"] for epoch in history["epochs"]] == [1, 2]
    for name in ("loss", "contrastive_top1", "entropy", "learning_rate", "images_per_second"):
        assert all(np.isfinite(epoch[name]) for epoch in history["epochs"])
    for name in ("probe_auc", "neighbour_auc"):
        assert 0 <= history["epochs"][-1][name] <= 1
    assert history["best_epoch"] == 2  # probed after the last epoch alone
    finetuned = read_json(trained[0] / "finetune" / "run" / "history.json")
    assert finetuned["best_epoch"] in (1, 2)
    assert 0 <= finetuned["epochs"][0]["validation_auc"] <= 1


def test_views_and_event_files_lie_beside_and_no_checkpoint_stays(pretrained, trained):
    for root, stage in ((pretrained, "pretrain"), (trained[0], "finetune")):
        assert (root / stage / "run" / "views.png").stat().st_size > 1000
        assert list((root / stage / "run" / "tensorboard").glob("events*"))
        assert not list((root / "checkpoints").iterdir())


@pytest.mark.parametrize("trained", ["binary"], indirect=True)
def test_tensorboard_has_every_figure_of_every_epoch_and_the_views(pretrained, trained):
    shared = {"loss", "learning_rate", "images_per_second"}
    own = {
        pretrained / "pretrain": {"contrastive_top1", "entropy", "probe_auc", "neighbour_auc"},
        trained[0] / "finetune": {"validation_auc", "validation_loss"},
    }
    for folder, names in own.items():
        logged: dict[str, dict[int, float]] = {}
        for file in (folder / "run" / "tensorboard").glob("events*"):
            for event in tf.compat.v1.train.summary_iterator(str(file)):
                for value in event.summary.value:
                    logged.setdefault(value.tag, {})[event.step] = value.simple_value
        assert shared | names | {"augmented_views"} <= set(logged)
        epochs = read_json(folder / "run" / "history.json")["epochs"]
        for name in shared | names:
            expected = {e["epoch"]: np.float32(e[name]) for e in epochs if name in e}
            assert logged[name] == expected, name


def test_exports_answer_in_a_process_with_tensorflow_alone(pretrained, trained):
    root, task, args = trained
    folders = [pathlib.Path(args.serving_model_dir), pretrained / "pretrain" / "Format-Serving"]
    records = sorted((root / "Split-validation").iterdir())[0]
    answer = tiny_data.run_python(SERVE, *map(str, [*folders, records]), only_tensorflow=True)
    targets = list(task.get("classes", task["labels"]))
    assert answer["imported"] == []
    assert answer["names"] == {"version": 1, "kind": task["kind"], "targets": targets}
    assert answer["signatures"] == [
        ["embed", "embed_examples", "serving_default", "tf_examples"],
        ["embed", "serving_default"],
    ]
    assert set(answer["served"]) == {*targets, *(f"decision/{target}" for target in targets)}
    assert answer["refused"][:2] == ["", ""]
    assert answer["refused"][2].startswith("unreadable")
    assert answer["damaged"] == [True, True, False]
    thresholds = read_json(folders[0] / "assets.extra" / "card.json")["thresholds"]
    table = np.concatenate([answer["served"][target] for target in targets], axis=1)
    for place, target in enumerate(targets):
        probabilities = np.array(answer["served"][target])
        assert probabilities.shape == (2, 1)
        if task["kind"] == "multiclass":
            decisions = (table.argmax(axis=1) == place)[:, None].astype(float)
        else:
            decisions = (probabilities >= np.float32(thresholds[target])).astype(float)
        assert answer["served"][f"decision/{target}"] == decisions.tolist()
        np.testing.assert_allclose(answer["examples"][target], probabilities[:1], rtol=1e-5)
    if task["kind"] == "multiclass":
        total = sum(np.array(answer["served"][target]) for target in targets)
        np.testing.assert_allclose(total, 1, rtol=1e-5)
    assert answer["classifier_embedding"] == [2, 64]
    assert answer["other_size"] == [3, 64]
    np.testing.assert_allclose(answer["called"], answer["embedding"], rtol=1e-6)
    # Images of 32 pixels are not cropped: the file is what the encoder was called with.
    np.testing.assert_allclose(answer["of_files"][:1], answer["called"], rtol=1e-4)
    np.testing.assert_allclose(answer["of_images"][:1], answer["of_examples"], rtol=1e-5)


def test_exports_hold_nothing_that_xla_must_compile(pretrained, trained):
    for folder in (trained[2].serving_model_dir, pretrained / "pretrain" / "Format-Serving"):
        assert b"_XlaMustCompile" not in (pathlib.Path(folder) / "saved_model.pb").read_bytes()


def test_cards_describe_the_models(pretrained, trained):
    root, task, _ = trained
    encoder = read_json(pretrained / "pretrain" / "Format-Serving" / "assets.extra" / "card.json")
    assert (encoder["kind"], encoder["feature_dim"], encoder["image_size"]) == ("encoder", 64, 32)
    assert encoder["trained_on"]["images"] == 48
    assert encoder["trained_on"]["kept_epoch"] == 2
    assert 0 <= encoder["trained_on"]["neighbour_auc"] <= 1
    card = read_json(root / "finetune" / "Format-Serving" / "assets.extra" / "card.json")
    assert card["kind"] == "classifier"
    assert card["targets"] == task.get("classes", task["labels"])
    multiclass = task["kind"] == "multiclass"
    assert card["decision"] == ("highest" if multiclass else "threshold")
    assert set(card["thresholds"]) == (set() if multiclass else set(card["targets"]))
    assert set(card["temperature"]) == set(card["targets"])
    assert (
        set(card["calibration"]["before"])
        == set(card["calibration"]["after"])
        == set(card["targets"])
    )
    assert card["model"]["units"] == [1, 1]


@pytest.mark.parametrize("trained", ["binary"], indirect=True)
def test_the_exported_graph_scores_what_validation_scored(trained):
    root, _, args = trained
    model = tf.saved_model.load(args.serving_model_dir)
    card = read_json(pathlib.Path(args.serving_model_dir) / "assets.extra" / "card.json")
    files = sorted(str(path) for path in (root / "Split-validation").iterdir())
    served = tf.data.TFRecordDataset(files, "GZIP").batch(100)
    probabilities = model.signatures["tf_examples"](examples=next(iter(served)))["finding"]
    labels = np.array(
        [
            tf.train.Example.FromString(one).features.feature["label/finding"].float_list.value[0]
            for one in served.unbatch().as_numpy_iterator()
        ]
    )
    positives = probabilities.numpy()[labels == 1]
    negatives = probabilities.numpy()[labels == 0]
    auc = np.mean((positives > negatives.T) + 0.5 * (positives == negatives.T))
    assert card["trained_on"]["validation_auc"] == pytest.approx(auc, abs=1e-3)


def test_probabilities_before_calibration_are_told_to_bulk_inference(trained):
    root, task, args = trained
    model = tf.saved_model.load(args.serving_model_dir)
    files = sorted(str(path) for path in (root / "Split-validation").iterdir())
    serialized = next(iter(tf.data.TFRecordDataset(files, "GZIP").batch(100)))
    answer = model.signatures["tf_examples"](examples=serialized)
    targets = task.get("classes", task["labels"])
    raw = np.concatenate([answer[f"uncalibrated/{target}"] for target in targets], axis=1)
    served = np.concatenate([answer[target] for target in targets], axis=1)
    fitted = read_json(pathlib.Path(args.serving_model_dir) / "assets.extra" / "card.json")
    scale, offset = (
        np.array([fitted["calibration"][name][target] for target in targets])
        for name in ("scale", "offset")
    )
    if task["kind"] == "multiclass":  # logits are known up to a constant, which one scale keeps
        expected = np.exp(scale * np.log(raw))
        expected /= expected.sum(axis=1, keepdims=True)
    else:
        expected = special.expit(scale * special.logit(raw) + offset)
    np.testing.assert_allclose(served, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("trained", ["binary"], indirect=True)
def test_everything_that_finetuning_offers_at_once(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(bit_hyperrule, "SMALL_STEPS", 60)
    monkeypatch.setattr(bit_hyperrule, "SMALL_RESOLUTION", (50, 40))
    args = trained[2]
    sections = args.custom_config["settings"]
    finetuning = sections["finetune"] | {
        "mode": "after_block",
        "after_block": 1,
        "recipe": "bit_hyperrule",
        "resolution": "bit_hyperrule",
        "class_weights": "balanced",
        "layer_decay": 0.8,
        "mixup": 0.2,
        "calibration": "vector",
        "select_by": "loss",
        "early_stopping_epochs": 1,
    }
    settings = sections | {"finetune": finetuning}
    changed = vars(args) | {
        "custom_config": args.custom_config | {"settings": settings},
        "serving_model_dir": str(tmp_path / "Format-Serving"),
        "model_run_dir": str(tmp_path / "run"),
    }
    finetune.run_fn(type(args)(**changed))
    card = read_json(tmp_path / "Format-Serving" / "assets.extra" / "card.json")
    assert card["image_size"] == 40
    assert card["trained_on"]["batch_size"] == 48
    assert card["trained_on"]["optimizer"]["learning_rate"] == 0.003
    assert card["calibration"]["method"] == "vector"
    assert card["temperature"] == {}
    history = read_json(tmp_path / "run" / "history.json")
    losses = [epoch["validation_loss"] for epoch in history["epochs"]]
    assert history["best_epoch"] == 1 + int(np.argmin(losses))
    assert len(losses) <= history["best_epoch"] + 1


@pytest.mark.parametrize("trained", ["binary"], indirect=True)
def test_an_encoder_of_another_network_is_refused(trained):
    args = trained[2]
    wider = args.custom_config["settings"]["model"] | {"root_filters": 16}
    settings = args.custom_config["settings"] | {"model": wider}
    changed = vars(args) | {"custom_config": args.custom_config | {"settings": settings}}
    with pytest.raises(InputError, match=r"encoder\.weights\.h5"):
        finetune.run_fn(type(args)(**changed))


@pytest.mark.parametrize("trained", ["binary"], indirect=True)
def test_without_an_encoder_finetuning_is_refused(trained):
    args = type(trained[2])(**vars(trained[2]) | {"base_model": None})
    with pytest.raises(InputError, match="base_model is empty"):
        finetune.run_fn(args)


@pytest.mark.parametrize("trained", ["binary"], indirect=True)
def test_a_linear_probe_leaves_the_encoder_as_it_was(pretrained, trained):
    root, _, args = trained
    settings = args.custom_config["settings"]
    probe = settings | {"finetune": settings["finetune"] | {"mode": "linear_probe"}}
    changed = vars(args) | {
        "custom_config": args.custom_config | {"settings": probe},
        "serving_model_dir": str(root / "probe" / "Format-Serving"),
    }
    finetune.run_fn(type(args)(**changed))
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)
    encoder = tf.saved_model.load(str(pretrained / "pretrain" / "Format-Serving"))
    expected = encoder(tf.cast(pixels, tf.float32) / 255)
    encoded = tf.constant([tf.io.encode_png(one).numpy() for one in pixels])
    probe_model = tf.saved_model.load(changed["serving_model_dir"])
    embedded = probe_model.signatures["embed"](images=encoded)["embedding"]
    np.testing.assert_allclose(embedded, expected, rtol=1e-4, atol=1e-5)


def test_a_loss_that_is_not_finite_stops_with_epoch_and_step(tmp_path):
    task = tiny_data.BINARY
    train = tiny_data.write_split(tmp_path / "Split-train", task, 32)
    settings = tiny_data.PRETRAIN | {
        "optimizer": {"name": "sgd", "learning_rate": 1e30, "scaling": "none", "warmup_epochs": 0}
    }
    args = tiny_data.fn_args(tmp_path, "pretrain", task, settings, train, train)
    with pytest.raises(RuntimeError, match=r"the loss became nan in epoch 1, step 2"):
        pretrain.run_fn(args)


def test_the_encoder_of_the_epoch_with_the_best_probe_is_exported(tmp_path, monkeypatch):
    task, kept = tiny_data.BINARY, {}
    train = tiny_data.write_split(tmp_path / "Split-train", task, 32)
    optimizer = tiny_data.PRETRAIN["optimizer"] | {"schedule": "constant", "learning_rate": 1e-2}
    settings = tiny_data.PRETRAIN | {"epochs": 4, "probe_epochs": 1, "optimizer": optimizer}
    aucs = iter([0.8, 0.8, 0.7, 0.6])  # the later one of equals is kept

    def figures(self, embed):
        kept[len(kept) + 1] = embed(self.validation)
        return {"probe_auc": next(aucs), "neighbour_auc": 0.5}

    monkeypatch.setattr(linear.Probe, "metrics", figures)
    args = tiny_data.fn_args(tmp_path, "pretrain", task, settings, train, train)
    pretrain.run_fn(args)
    card = read_json(pathlib.Path(args.serving_model_dir) / "assets.extra" / "card.json")
    assert (card["trained_on"]["kept_epoch"], card["trained_on"]["probe_auc"]) == (2, 0.8)
    exported = tf.saved_model.load(args.serving_model_dir)
    files = sorted(str(path) for path in (tmp_path / "Split-train").iterdir())
    found = np.concatenate(
        [
            exported(tf.cast(decoded_png(one), tf.float32)[None] / 255)
            for one in tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator()
        ]
    )
    near, far = (np.linalg.norm(found - kept[epoch]) for epoch in (2, 4))
    assert near < 1e-3 * np.linalg.norm(found)
    assert near < far / 10


def decoded_png(serialized: bytes) -> tf.Tensor:
    feature = tf.train.Example.FromString(serialized).features.feature
    return tf.io.decode_png(feature["image/encoded"].bytes_list.value[0], channels=3)


def test_settings_that_are_wrong_or_missing_are_named(tmp_path):
    args = tiny_data.fn_args(tmp_path, "pretrain", tiny_data.BINARY, {"epochz": 3}, "x", "x")
    with pytest.raises(InputError, match="epochz"):
        pretrain.run_fn(args)
    with pytest.raises(InputError, match="lacks 'finetune'"):
        finetune.run_fn(args)
