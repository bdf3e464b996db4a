"""Two replicas train as one with the joined batch does."""

import json

import pytest

from schemas.errors import InputError
from tests.trainer_modules import tiny_data
from trainer_modules import pretrain
from trainer_modules.training import stage

# In a process of its own: devices can only be divided before TensorFlow uses them.
TWO_REPLICAS = """
import json, sys, types
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from trainer_modules import pretrain
from trainer_modules.training import distribution
distribution.create = lambda *_: tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
pretrain.run_fn(types.SimpleNamespace(**json.loads(sys.argv[1])))
print("{}")
"""


@pytest.mark.slow
def test_two_replicas_in_micro_batches_follow_the_course_of_one_device(tmp_path):
    histories = []
    for replicas in (1, 2):
        folder = tmp_path / str(replicas)
        train = tiny_data.write_split(folder / "Split-train", tiny_data.BINARY, 32)
        settings = tiny_data.PRETRAIN | ({"micro_batch": 3} if replicas > 1 else {})
        args = tiny_data.fn_args(folder, "pretrain", tiny_data.BINARY, settings, train, train)
        if replicas == 1:
            pretrain.run_fn(args)
        else:
            tiny_data.run_python(TWO_REPLICAS, json.dumps(vars(args)))
        history = json.loads((folder / "pretrain" / "run" / "history.json").read_text())
        histories.append(history["epochs"])
    for one, two in zip(*histories, strict=True):
        for name in ("loss", "contrastive_top1", "entropy", "learning_rate"):
            assert two[name] == pytest.approx(one[name], rel=1e-3), name


class Strategy:
    def __init__(self, replicas):
        self.num_replicas_in_sync = replicas


@pytest.mark.parametrize(
    ("wanted", "examples", "replicas", "expected"),
    [(256, 1000, 1, 256), (256, 100, 1, 100), (256, 101, 4, 100), (6, 50, 4, 4), (2, 50, 4, 4)],
)
def test_batch_size(wanted, examples, replicas, expected):
    assert stage.batch_size(wanted, examples, Strategy(replicas)) == expected


def test_fewer_examples_than_replicas():
    with pytest.raises(InputError, match="3 examples for 4 replicas"):
        stage.batch_size(8, 3, Strategy(4))
