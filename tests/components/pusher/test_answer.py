"""A copied model has to load and to answer for one image."""

import pytest

from components.pusher.answer import check_answer
from schemas.errors import InputError

pytestmark = pytest.mark.slow


def exported(folder, answer, spec=None):
    """A SavedModel whose signature is this function."""
    import tensorflow as tf

    spec = spec or tf.TensorSpec([None], tf.string, name="images")
    module = tf.Module()
    module.serve = tf.function(answer, input_signature=[spec])
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})
    return folder


def mean_of_files(images):
    import tensorflow as tf

    def one(file):
        return tf.reduce_mean(tf.cast(tf.io.decode_image(file), tf.float32))

    return {"mean": tf.map_fn(one, images, tf.float32)[:, None]}


def test_an_answer_for_a_file(tmp_path):
    check_answer(exported(tmp_path / "model", mean_of_files))


def test_an_answer_for_numbers(tmp_path):
    import tensorflow as tf

    spec = tf.TensorSpec([None, None, None, 3], tf.float32, name="pixels")
    check_answer(exported(tmp_path / "m", lambda p: {"m": tf.reduce_mean(p, [1, 2])}, spec))


def test_an_answer_that_is_not_one_an_image(tmp_path):
    import tensorflow as tf

    model = exported(tmp_path / "model", lambda images: {"two": tf.zeros([2, 1])})
    with pytest.raises(InputError, match=r"answers {'two': 2} for one image, so it was not pushed"):
        check_answer(model)


def test_a_model_that_fails(tmp_path):
    import tensorflow as tf

    def fail(images):
        with tf.control_dependencies([tf.debugging.Assert(tf.shape(images)[0] > 9, ["never"])]):
            return {"answer": tf.identity(images)}

    with pytest.raises(InputError, match="does not answer, so it was not pushed") as refusal:
        check_answer(exported(tmp_path / "model", fail))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("damage", ["graph", "variables", "nothing there"])
def test_a_model_that_does_not_load(tmp_path, damage):
    import tensorflow as tf

    module = tf.Module()
    module.weight = tf.Variable(tf.ones([1000]))
    module.serve = tf.function(
        lambda images: {"a": tf.fill([tf.shape(images)[0], 1], module.weight[0])},
        input_signature=[tf.TensorSpec([None], tf.string, name="images")],
    )
    tf.saved_model.save(module, str(tmp_path / "m"), signatures={"serving_default": module.serve})
    check_answer(tmp_path / "m")
    if damage == "graph":
        (tmp_path / "m" / "saved_model.pb").write_bytes(b"\xff" * 99)
    elif damage == "variables":
        (tmp_path / "m" / "variables" / "variables.index").unlink()
    folder = tmp_path / ("none" if damage == "nothing there" else "m")
    with pytest.raises((InputError, OSError)):
        check_answer(folder)


def test_a_model_without_the_signature(tmp_path):
    import tensorflow as tf

    tf.saved_model.save(tf.Module(), str(tmp_path / "m"))
    with pytest.raises(InputError, match="does not answer"):
        check_answer(tmp_path / "m")
