"""The load-and-call check, against models that serve rightly, wrongly or not at all."""

import io

import numpy as np
import pytest
from PIL import Image

from components.image_example_gen.decoding import images as images_module
from components.model_gate.serving import serving_check
from components.model_gate.serving.serving_check import Request, check_serving

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def images() -> tuple[list[Request], list[float]]:
    """Encoded images and the probabilities that the test model with scale 3 gives them."""
    import tensorflow as tf

    encoded, expected = [], []
    for brightness in (0, 60, 130, 255):
        pixels = np.full((8, 8, 1), brightness, np.uint8)
        encoded.append(Request(tf.io.encode_png(pixels).numpy()))
        expected.append(1 / (1 + np.exp(-3 * (brightness / 255 - 0.5))))
    return encoded, expected


def test_model_that_serves_what_was_judged(tmp_path, export_classifier, images):
    model = export_classifier(tmp_path / "model", {"edema": 3.0})
    found = check_serving(model, images[0], {"edema": images[1]}, 1e-4)
    assert found.ok, found.message
    assert found.max_difference < 1e-6
    assert 0 < found.latency_ms < 1000
    assert found.size_bytes > 1000


def test_model_that_serves_something_else(tmp_path, export_classifier, images):
    model = export_classifier(tmp_path / "model", {"edema": 3.0}, serving_offset=0.01)
    found = check_serving(model, images[0], {"edema": images[1]}, 1e-4)
    assert not found.ok
    assert found.max_difference == pytest.approx(0.01, abs=1e-4)
    assert "not within 0.0001" in found.message


def test_nan_is_not_a_match(tmp_path, export_classifier, images):
    model = export_classifier(tmp_path / "model", {"edema": 3.0}, nan_above=0.9)
    found = check_serving(model, images[0], {"edema": images[1]}, 1e-4)
    assert not found.ok


def test_missing_output_and_crash(tmp_path, export_classifier, images):
    model = export_classifier(tmp_path / "model", {"edema": 3.0})
    found = check_serving(model, images[0], {"effusion": images[1]}, 1e-4)
    assert (found.ok, "['effusion'] are missing" in found.message) == (False, True)
    found = check_serving(model, [Request(b"not an image")], {"edema": [0.5]}, 1e-4)
    assert not found.ok
    assert "status 1" in found.message
    assert "nknown image file format" in found.message


def test_process_without_an_answer_in_time(tmp_path, monkeypatch, images):
    probe = tmp_path / "probe.py"
    probe.write_text("import time; time.sleep(60)")
    monkeypatch.setattr(serving_check, "_PROBE", probe)
    found = check_serving(str(tmp_path), images[0], {"edema": images[1]}, 1e-4, timeout=0.5)
    assert (found.ok, "no answer within 0.5 s" in found.message) == (False, True)


def test_no_images(tmp_path):
    assert not check_serving(str(tmp_path), [], {"edema": []}, 1e-4).ok


# Answers for the center of an image, and reads JPEG files as TensorFlow does: not turned by EXIF.
def export_skewed(folder) -> str:
    import tensorflow as tf

    module = tf.Module()

    def classify(encoded):
        def corner(one):
            image = tf.io.decode_image(one, channels=3, expand_animations=False)
            return tf.reduce_mean(tf.cast(image[:8, :8], tf.float32)) / 255

        found = tf.map_fn(corner, encoded, fn_output_signature=tf.float32)[:, None]
        return {"edema": found, "decision/edema": tf.cast(found >= 0.5, tf.float32)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="images")])
    def serving(images):
        return classify(images)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def examples(examples):
        spec = {"image/encoded": tf.io.FixedLenFeature([], tf.string)}
        return classify(tf.io.parse_example(examples, spec)["image/encoded"])

    signatures = {"serving_default": serving, "tf_examples": examples}
    tf.saved_model.save(module, str(folder), signatures=signatures)
    return str(folder)


def test_files_that_are_served_unlike_they_were_stored(tmp_path):
    """Three of 20 photographs lie on their side; all stored images are upright."""
    model = export_skewed(tmp_path / "model")
    rng = np.random.default_rng(3)
    requests, probabilities = [], []
    for number in range(20):
        pixels = np.repeat(np.linspace(20, 110, 24).astype(np.uint8)[None], 16, axis=0)
        pixels = pixels + np.uint8(rng.integers(0, 9))
        if number < 3:
            pixels[:, 16:] = 240
        buffer, exif = io.BytesIO(), Image.Exif()
        exif[0x0112] = 3 if number < 3 else 1
        Image.fromarray(pixels).save(buffer, "JPEG", quality=100, exif=exif)
        read = images_module.read_bytes(buffer.getvalue(), 10**6).pixels
        stored = images_module.store(read, 0, "png", 95).encoded
        requests.append(Request(buffer.getvalue(), stored, "JPEG"))
        probabilities.append(float(read[:8, :8].mean() / 255))
    decisions = [float(value >= 0.5) for value in probabilities]
    assert sum(decisions) == 3
    expected = {"edema": probabilities, "decision/edema": decisions}
    found = check_serving(model, requests, expected, 1e-4)
    assert not found.ok
    assert found.max_difference > 0.5
    assert (
        "20 original files (20 JPEG), not within 0.0001; 3 of 20 decisions differ" in found.message
    )
    # The others alone: what TensorFlow and ingestion make of them differs by less.
    rest = {name: values[3:] for name, values in expected.items()}
    assert check_serving(model, requests[3:], rest, 0.02).ok
