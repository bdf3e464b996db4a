"""Embeddings of record files, from a classifier and from an encoder, by hand-computed values."""

import numpy as np
import pytest

from components.predictor import embedding_table
from components.shift_analysis.__main__ import main
from schemas.errors import InputError
from tests.made_documents import encoder_card

BRIGHTNESS = (0, 51, 255)


@pytest.fixture(scope="module")
def records(tmp_path_factory, write_records) -> str:
    rows = [
        {
            "brightness": value,
            "image/id": f"image{index}",
            "patient_id": f"patient{index}",
            "domain": "shifted",
        }
        for index, value in enumerate(BRIGHTNESS)
    ]
    return write_records(tmp_path_factory.mktemp("records") / "data.gz", rows)


def save(folder, call, dtype, shape) -> str:
    import tensorflow as tf

    module = tf.Module()
    signature = [tf.TensorSpec(shape, dtype, name="images")]
    module.embed = tf.function(lambda images: {"embedding": call(images)}, signature)
    tf.saved_model.save(module, str(folder), signatures={"embed": module.embed})
    return str(folder)


def test_a_classifiers_embeddings_by_the_command(tmp_path, records):
    import tensorflow as tf

    def sums(images):
        """Length of the PNG, and twice that."""
        length = tf.cast(tf.strings.length(images), tf.float32)
        return tf.stack([length, 2 * length], axis=1)

    model = save(tmp_path / "model", sums, tf.string, [None])
    output = embedding_table.path_of(str(tmp_path), "shifted")
    assert main(["embed", "--model", model, "--examples", records, "--output", output]) == 0
    found = embedding_table.read([output])
    expected = [
        len(tf.io.encode_png(np.full((8, 8, 1), value, np.uint8)).numpy()) for value in BRIGHTNESS
    ]
    np.testing.assert_array_equal(found["embedding"], np.outer(expected, [1, 2]))
    assert found["image/id"].tolist() == ["image0", "image1", "image2"]
    assert found["site"].tolist() == ["unknown"] * 3


def test_an_encoder_gets_floats_of_its_size_and_maps_are_averaged(tmp_path, records):
    import tensorflow as tf

    from components.predictor.embeddings import EmbeddingModel, embed_files

    model = save(tmp_path / "model", lambda images: images[..., :1], tf.float32, [None] * 3 + [3])
    with pytest.raises(InputError, match="has no assets"):
        EmbeddingModel(model)
    encoder_card(image_size=32).write(model)
    (batch,) = embed_files(EmbeddingModel(model), [records])
    np.testing.assert_allclose(batch["embedding"][:, 0], np.array(BRIGHTNESS) / 255, atol=1e-3)


def test_models_without_embeddings_are_bad_input(tmp_path, records, export_classifier, capsys):
    model = export_classifier(tmp_path / "model", {"edema": 1.0})
    given = ["--examples", records, "--output", str(tmp_path / "e.parquet")]
    assert main(["embed", "--model", model, *given]) == 2
    assert "it needs 'embed'" in capsys.readouterr().err
    assert main(["embed", "--model", str(tmp_path), *given]) == 2
    assert "is not a readable SavedModel" in capsys.readouterr().err
