"""Probes on embeddings made so that it is known what they hold."""

import numpy as np
import pytest
from scipy import stats

from components.shift_analysis.domain_probe import MIN_PATIENTS, domain_and_label

PATIENTS = 500


def parts(tangled: bool, patients: int = PATIENTS) -> dict[str, np.ndarray]:
    """Four directions: of the domain, of the label, two of noise; two images a patient.

    Tangled: domain and label push along one and the same direction.
    """
    random = np.random.default_rng(0)
    patient = np.repeat(np.arange(patients), 2)
    shifted, label = (random.random((2, patients)) < 0.5)[:, patient]
    embedding = random.normal(size=(2 * patients, 4))
    embedding[:, 0] += 2 * shifted
    embedding[:, 0 if tangled else 1] += 2 * label
    return {
        "embedding": embedding,
        "domain": np.where(shifted, "shifted", "in_distribution"),
        "label": label.astype(float),
        "weight": np.ones(2 * patients),
        "patient": patient.astype(str),
    }


def test_separate_directions_are_not_tangled():
    found = domain_and_label(**parts(tangled=False))
    # Two unit normals two apart.
    ideal = stats.norm.cdf(2 / np.sqrt(2))
    for name in ("domain", "label_in_distribution", "label_shifted"):
        assert getattr(found, name) == pytest.approx(ideal, abs=0.03)
    assert found.domain_by_label_probe == pytest.approx(0.5, abs=0.07)
    assert found.label_by_domain_probe == pytest.approx(0.5, abs=0.07)
    assert found.confusion < 0.14


def test_one_direction_for_both_is_tangled():
    found = domain_and_label(**parts(tangled=True))
    ideal = stats.norm.cdf(2 / np.sqrt(2))
    assert found.domain_by_label_probe == pytest.approx(ideal, abs=0.04)
    assert found.label_by_domain_probe == pytest.approx(ideal, abs=0.04)
    assert found.confusion == pytest.approx(2 * (ideal - 0.5), abs=0.08)


def test_a_patients_images_are_not_split_between_fitting_and_scoring():
    """Embeddings that name the patient, labels by chance: nothing can be learned."""
    random = np.random.default_rng(1)
    given = parts(tangled=False, patients=60)
    given["embedding"] = np.repeat(10 * random.normal(size=(60, 50)), 2, axis=0)
    assert domain_and_label(**given).domain == pytest.approx(0.5, abs=0.2)


def test_unknown_labels_are_left_out():
    given = parts(tangled=False)
    given["weight"] = np.zeros(2 * PATIENTS)
    found = domain_and_label(**given)
    assert found.domain > 0.8
    assert {value for name, value in found.model_dump().items() if "label" in name} == {None}
    assert found.confusion is None


def test_too_few_patients_give_no_figure():
    given = parts(tangled=False, patients=MIN_PATIENTS)
    found = domain_and_label(**given)
    assert {value for name, value in found.model_dump().items() if name != "images"} == {None}


def test_rows_that_are_not_finite_are_left_out():
    given = parts(tangled=False)
    given["embedding"][3, 1] = np.nan
    found = domain_and_label(**given)
    assert found.images == 2 * PATIENTS - 1
    assert found.domain > 0.8
