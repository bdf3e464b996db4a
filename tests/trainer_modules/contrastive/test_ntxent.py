"""NT-Xent against NumPy float64, finite differences, and one replica against two."""

import numpy as np
import pytest
import tensorflow as tf

from trainer_modules.contrastive.ntxent import nt_xent


def oracle(z1, z2, temperature):
    """Loss, contrastive top-1 and entropy, one view at a time."""
    z1 = z1 / np.linalg.norm(z1, axis=1, keepdims=True)
    z2 = z2 / np.linalg.norm(z2, axis=1, keepdims=True)
    count = len(z1)
    losses, hits, entropies = [], [], []
    for i in range(count):
        for own, other in ((z1, z2), (z2, z1)):
            positive = own[i] @ other[i] / temperature
            to_other = [own[i] @ other[j] / temperature for j in range(count)]
            to_own = [own[i] @ own[j] / temperature for j in range(count) if j != i]
            losses.append(np.log(np.sum(np.exp(to_other + to_own))) - positive)
        logits = np.array([z1[i] @ z2[j] / temperature for j in range(count)])
        hits.append(np.argmax(logits) == i)
        p = np.exp(logits) / np.exp(logits).sum()
        entropies.append(-(p * np.log(p)).sum())
    return 2 * np.mean(losses), np.mean(hits), np.mean(entropies)


@pytest.mark.parametrize("temperature", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("batch", [2, 7])
def test_matches_float64(batch, temperature):
    rng = np.random.default_rng(batch)
    z1 = rng.normal(size=(batch, 5))
    z2 = z1 + rng.normal(size=(batch, 5))
    found = [float(value) for value in nt_xent(z1, z2, temperature)]
    np.testing.assert_allclose(found, oracle(z1, z2, temperature), rtol=2e-5, atol=1e-6)


def test_two_orthogonal_pairs_by_hand():
    z = np.eye(2)
    # Each view: positive 1, one other view and one own-side negative at 0; loss log(1 + 2/e).
    loss, top1, _ = nt_xent(z, z, 1.0)
    assert float(loss) == pytest.approx(2 * np.log(1 + 2 * np.exp(-1)), rel=1e-6)
    assert float(top1) == 1


def test_scale_of_the_projections_does_not_matter():
    rng = np.random.default_rng(0)
    z1, z2 = rng.normal(size=(2, 4, 3))
    assert float(nt_xent(9 * z1, z2, 0.2)[0]) == pytest.approx(float(nt_xent(z1, z2, 0.2)[0]))


def test_gradient_matches_finite_differences_of_the_oracle():
    rng = np.random.default_rng(5)
    z1, z2 = rng.normal(size=(2, 4, 3))
    tensors = [tf.constant(z, tf.float32) for z in (z1, z2)]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        loss = nt_xent(*tensors, 0.5)[0]
    found = tape.gradient(loss, tensors)
    for which, gradient in enumerate(found):
        for index in np.ndindex(4, 3):
            moved = [[z1.copy(), z2.copy()] for _ in range(2)]
            moved[0][which][index] += 1e-5
            moved[1][which][index] -= 1e-5
            slope = (oracle(*moved[0], 0.5)[0] - oracle(*moved[1], 0.5)[0]) / 2e-5
            assert gradient.numpy()[index] == pytest.approx(slope, abs=2e-5)


@pytest.fixture
def replicas(monkeypatch):
    """Puts a function in the place of one of three replicas, whose sums hold all three's values."""
    shares = np.random.default_rng(3).normal(size=(3, 2, 4, 5)).astype("float32")
    normalized = shares / np.linalg.norm(shares, axis=-1, keepdims=True)

    class Context:
        num_replicas_in_sync = 3

        def __init__(self, index):
            self.replica_id_in_sync_group = index

        def all_reduce(self, operation, value):
            """This replica's value, and those that the others would give, one slot each."""
            assert operation == tf.distribute.ReduceOp.SUM
            total = np.array(value)
            assert total.shape == (3, 2, 4, 5)
            for other in {0, 1, 2} - {self.replica_id_in_sync_group}:
                assert not total[other].any()
                total[other] = normalized[other]
            return tf.constant(total)

    def inside(index, function, *arguments, **more):
        monkeypatch.setattr(tf.distribute, "get_replica_context", lambda: Context(index))
        return function(*arguments, **more)

    return shares, inside


def test_each_replica_has_the_negatives_of_all(replicas):
    shares, inside = replicas
    joined = shares.transpose(1, 0, 2, 3).reshape(2, 12, 5).astype(np.float64)
    whole = oracle(*joined, 0.3)
    found = [inside(i, nt_xent, *shares[i], 0.3) for i in range(3)]
    np.testing.assert_allclose(np.mean(found, axis=0), whole, rtol=2e-5, atol=1e-6)
    assert len({round(float(loss), 4) for loss, *_ in found}) == 3
