"""Two replicas with half a batch each against one with the joined batch, in a fresh process."""

import json
import subprocess
import sys

import numpy as np
import pytest

SCRIPT = """
import json, sys
import numpy as np, tensorflow as tf
from trainer_modules.contrastive.ntxent import nt_xent

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
rng = np.random.default_rng(0)
x1, x2 = rng.normal(size=(2, 6, 4)).astype("float32")
start = rng.normal(size=(4, 3)).astype("float32")


def step(x1, x2, weight, replicas):
    with tf.GradientTape() as tape:
        values = nt_xent(tf.matmul(x1, weight), tf.matmul(x2, weight), 0.3)
        scaled = values[0] / replicas
    return tf.stack(values), tape.gradient(scaled, weight)


one = step(tf.constant(x1), tf.constant(x2), tf.Variable(start), 1)
with strategy.scope():
    weight = tf.Variable(start)


@tf.function
def both():
    def replica():
        index = tf.distribute.get_replica_context().replica_id_in_sync_group
        rows = slice(3 * index, 3 * index + 3)
        values, gradient = step(tf.constant(x1)[rows], tf.constant(x2)[rows], weight, 2)
        context = tf.distribute.get_replica_context()
        return (
            context.all_reduce(tf.distribute.ReduceOp.MEAN, values),
            context.all_reduce(tf.distribute.ReduceOp.SUM, gradient),
        )

    return [strategy.experimental_local_results(each)[1] for each in strategy.run(replica)]


two = both()
json.dump([[np.array(a).tolist() for a in pair] for pair in (one, two)], sys.stdout)
"""


@pytest.mark.slow
def test_replicas_share_their_negatives_and_gradients():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (values, gradient), (values_2, gradient_2) = json.loads(done.stdout.splitlines()[-1])
    np.testing.assert_allclose(values_2, values, rtol=1e-5)
    np.testing.assert_allclose(gradient_2, gradient, rtol=1e-4, atol=1e-6)
