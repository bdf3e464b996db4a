"""The load-and-call check, against models that serve rightly, wrongly or not at all."""

import numpy as np
import pytest

from components.model_gate.serving import serving_check
from components.model_gate.serving.serving_check import check_serving

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def images() -> tuple[list[bytes], list[float]]:
    """Encoded images and the probabilities that the test model with scale 3 gives them."""
    import tensorflow as tf

    encoded, expected = [], []
    for brightness in (0, 60, 130, 255):
        pixels = np.full((8, 8, 1), brightness, np.uint8)
        encoded.append(tf.io.encode_png(pixels).numpy())
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
    found = check_serving(model, [b"not an image"], {"edema": [0.5]}, 1e-4)
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
