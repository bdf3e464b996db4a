"""Exported models with a planted fault, judged on records: each refused for its own reason.

The images are SYNTHETIC: eight by eight pixels, gray in the middle by the label, with single pixels
for a burnt-in marker, the scanner, the sex, and noise. The models are formulas of those.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from components.model_gate.__main__ import main
from schemas.documents.gate import Serving

pytestmark = pytest.mark.slow

PATIENTS = 150
POLICY = """
resamples: 300
in_distribution:
  {min_auc: 0.75, max_calibration_error: 0.2, calibration_slope: null, calibration_intercept: null}
shifted:
  {min_auc: 0.65, max_calibration_error: 0.25, calibration_slope: null, calibration_intercept: null}
max_gap: 0.2
max_regression: 0.25
subgroups: {min_auc: 0.5, max_regression: 0.15}
"""
# signal, marker, noise: weights in the logit; by_scanner, by_sex: how much of the signal noise
# replaces in shifted images and in those of women; bias.
GOOD = {"signal": 10.0, "marker": 0.0, "noise": 0.0, "by_scanner": 0.0, "by_sex": 0.0, "bias": 0.0}
PLANTED = {
    # What training on shuffled labels leaves: an answer that has nothing to do with them.
    "labels shuffled": {"signal": 0.0, "noise": 4.0},
    "reads the burnt-in marker": {"signal": 1.0, "marker": 6.0},
    "broken under shift": {"by_scanner": 1.0},
    "miscalibrated": {"signal": 6.0, "bias": 2.5},
    "worse for women": {"by_sex": 0.6},
}


def pixels(label: float, marker: float, shifted: bool, female: bool, random) -> np.ndarray:
    """One image; the gray of its middle says the label, with noise."""
    image = np.full((8, 8, 1), 128.0)
    image[2:6] += 45 * (2 * label - 1) + 30 * random.normal()
    image[0, 0], image[0, 7], image[7, 0] = 255 * marker, 255 * shifted, 255 * female
    image[7, 7] = 255 * random.random()
    return np.clip(image, 0, 255).astype(np.uint8)


def images() -> list[dict]:
    """Two images a patient; the marker goes with the label, in distribution only."""
    random = np.random.default_rng(0)
    rows = []
    for domain in ("in_distribution", "shifted"):
        for patient in range(PATIENTS):
            label, female, shifted = (
                float(random.random() < 0.4),
                patient % 2 == 0,
                domain[0] == "s",
            )
            marker = random.random() < 0.5 if shifted else label != (random.random() < 0.03)
            for number in range(2):
                rows.append(
                    {
                        "pixels": pixels(label, marker, shifted, female, random),
                        "image/id": f"{domain} {patient} {number}",
                        "patient_id": f"{domain} {patient}",
                        "site": "north" if patient % 3 else "south",
                        "domain": domain,
                        "subgroup/sex": "F" if female else "M",
                        "label/edema": label,
                    }
                )
    return rows


@pytest.fixture(scope="module")
def examples(tmp_path_factory, write_records) -> str:
    import tensorflow as tf

    rows = images()
    for row in rows:
        row["image/encoded"] = tf.io.encode_png(row.pop("pixels")).numpy()
        row["brightness"] = 0  # the fixture's own image, which `image/encoded` replaces
    return write_records(tmp_path_factory.mktemp("examples") / "Split-test" / "data.gz", rows)


def export(folder: Path, **weights: float) -> str:
    """A SavedModel of the formula."""
    import tensorflow as tf

    given = GOOD | weights
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def classify(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        spec = {"image/encoded": tf.io.FixedLenFeature([], tf.string)}
        encoded = tf.io.parse_example(examples, spec)["image/encoded"]
        decoded = tf.map_fn(
            lambda one: tf.ensure_shape(tf.io.decode_png(one, channels=1), [8, 8, 1]),
            encoded,
            fn_output_signature=tf.uint8,
        )
        image = tf.cast(decoded, tf.float32)[..., 0] / 255
        noise = image[:, 7, 7] - 0.5
        lost = given["by_scanner"] * image[:, 0, 7] + given["by_sex"] * image[:, 7, 0]
        signal = tf.reduce_mean(image[:, 2:6], axis=(1, 2)) - 0.5
        signal = (1 - lost) * signal + lost * noise
        logit = given["signal"] * signal + given["marker"] * (image[:, 0, 0] - 0.5)
        score = tf.sigmoid(logit + given["noise"] * noise + given["bias"])[:, None]
        return {"edema": score, "decision/edema": tf.cast(score >= 0.5, tf.float32)}

    tf.saved_model.save(module, str(folder), signatures={"tf_examples": classify})
    return str(folder)


@pytest.fixture(scope="module")
def pushed(tmp_path_factory) -> str:
    """The good model, as a version that was pushed before."""
    folder = tmp_path_factory.mktemp("pushed")
    # A little sharper than the candidate, so that the two are different models.
    export(folder / "1700000000", signal=11.0)
    return str(folder)


@pytest.fixture
def judge(monkeypatch, tmp_path, capsys, examples, pushed):
    """Judges against the pushed model; the clean process has tests of its own."""
    served = Serving(ok=True, message="fine", latency_ms=1.0, size_bytes=1000)
    monkeypatch.setattr("components.model_gate.serving.inputs.serving", lambda *_: served)
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)

    def answer(**weights: float) -> tuple[int, set[tuple[str, str]], list[str]]:
        model = export(tmp_path / "model", **weights)
        given = ["--model", model, "--examples", examples, "--baseline", pushed]
        status = main([*given, "--policy", str(policy)])
        verdict = json.loads(capsys.readouterr().out)
        refused = {
            (rule["name"], rule["slice"])
            for rule in verdict["rules"]
            if rule["effect"] in ("refuse", "inconclusive")
        }
        return status, refused, verdict["reasons"]

    return answer


def test_a_good_model_is_blessed(judge):
    assert judge() == (0, set(), [])


@pytest.mark.parametrize(
    ("fault", "because", "never"),
    [
        (
            "labels shuffled",
            {("auc floor", "in_distribution"), ("auc floor", "shifted")},
            {("gap ceiling", "in_distribution - shifted")},
        ),
        (
            "reads the burnt-in marker",
            {("auc floor", "shifted"), ("gap ceiling", "in_distribution - shifted")},
            {("auc floor", "in_distribution"), ("non-inferiority", "in_distribution")},
        ),
        (
            "broken under shift",
            {
                ("auc floor", "shifted"),
                ("gap ceiling", "in_distribution - shifted"),
                ("non-inferiority", "shifted"),
            },
            {("auc floor", "in_distribution"), ("non-inferiority", "in_distribution")},
        ),
    ],
)
def test_planted_faults(judge, fault, because, never):
    status, refused, reasons = judge(**PLANTED[fault])
    assert status == 4
    assert because <= refused
    assert not never & refused
    assert reasons


@pytest.mark.parametrize(
    ("fault", "because"),
    [
        (
            "miscalibrated",
            {
                ("calibration error ceiling", "in_distribution"),
                ("calibration error ceiling", "shifted"),
            },
        ),
        (
            "worse for women",
            {
                ("subgroup non-inferiority", "in_distribution, subgroup/sex=F"),
                ("subgroup non-inferiority", "shifted, subgroup/sex=F"),
            },
        ),
    ],
)
def test_faults_that_one_rule_alone_finds(judge, fault, because):
    status, refused, _ = judge(**PLANTED[fault])
    assert (status, refused) == (4, because)
