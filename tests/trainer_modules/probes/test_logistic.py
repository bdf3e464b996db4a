"""The logistic regression of the probes: its folds and what it is blind to."""

import numpy as np

from trainer_modules.probes import logistic


def test_every_row_is_held_out_once_and_with_its_whole_patient():
    rng = np.random.default_rng(0)
    patients = np.repeat(np.arange(30), 3)
    truth = np.arange(30)[patients] % 2
    features = rng.normal(size=(90, 4))
    held_out = [rows for _, rows in logistic.fit_folds(features, truth, patients)]
    assert len(held_out) == logistic.FOLDS
    assert sorted(np.concatenate(held_out)) == list(range(90))
    assert all(np.isin(patients, patients[rows]).sum() == len(rows) for rows in held_out)


def test_the_scale_of_a_feature_does_not_matter():
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 2, 200)
    features = rng.normal(size=(200, 2)) + truth[:, None]
    scaled = features * [1e6, 1e-6] + [5, -5]
    found = logistic.fit(features, truth).decision_function(features)
    np.testing.assert_allclose(
        logistic.fit(scaled, truth).decision_function(scaled), found, atol=1e-3
    )
    # Two unit normals one apart in each of two directions: the ideal direction is their sum.
    assert np.corrcoef(found, features.sum(axis=1))[0, 1] > 0.98
