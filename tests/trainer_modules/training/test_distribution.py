"""Which strategy a configuration and TF_CONFIG give, and what of them is refused."""

import json

import numpy as np
import pytest
import tensorflow as tf

from schemas.errors import InputError
from trainer_modules.settings import DistributionSettings
from trainer_modules.training import distribution

TWO = {"worker": ["a:1", "b:1"]}


def tf_config(cluster, role="worker", index=0):
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": role, "index": index}})}


@pytest.mark.parametrize(
    ("environment", "processes", "chief"),
    [
        ({}, 1, True),
        ({"TF_CONFIG": ""}, 1, True),
        ({"TF_CONFIG": "{}"}, 1, True),
        (tf_config({"worker": ["a:1"]}), 1, True),
        (tf_config(TWO), 2, True),
        (tf_config(TWO, index=1), 2, False),
        (tf_config({"chief": ["c:1"], **TWO}, "chief"), 3, True),
        (tf_config({"chief": ["c:1"], **TWO}), 3, False),
    ],
)
def test_processes_and_chief(environment, processes, chief):
    assert distribution.read_cluster(environment) == distribution.Cluster(processes, chief)


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"TF_CONFIG": "{worker"}, "not JSON"),
        ({"TF_CONFIG": "[]"}, "other roles"),
        (tf_config({"ps": ["a:1"], **TWO}), "other roles"),
        (tf_config({"worker": "a:1"}), "no list of host:port"),
        (tf_config({"worker": ["a"]}), r"cluster\.worker is \['a'\]"),
        (tf_config({"worker": []}), "no list of host:port"),
        (tf_config({"chief": ["a:1", "b:1"]}, "chief"), "2 chiefs"),
        (tf_config(TWO, index=2), "none of its cluster's processes"),
        (tf_config(TWO, index=-1), "none of its cluster's processes"),
        (tf_config(TWO, index="0"), "none of its cluster's processes"),
        (tf_config(TWO, "chief"), "none of its cluster's processes"),
        ({"TF_CONFIG": json.dumps({"cluster": TWO})}, "none of its cluster's processes"),
    ],
)
def test_a_wrong_tf_config_is_refused(environment, named):
    with pytest.raises(InputError, match=named) as refused:
        distribution.read_cluster(environment)
    assert "accepted: {" in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "environment", "named"),
    [
        ({"strategy": "multi_worker"}, {}, "it names 1"),
        ({"strategy": "one_device"}, tf_config(TWO), "each would train for itself"),
        ({"strategy": "mirrored", "gpus": 64}, {}, "GPUs on this machine"),
        ({"strategy": "tpu", "tpu": "grpc://127.0.0.1:1"}, {}, "cannot be reached: .*refused"),
        ({"strategy": "tpu", "tpu": "grpc://"}, {}, "cannot be reached"),
    ],
)
def test_what_cannot_be_is_refused(settings, environment, named):
    with pytest.raises(InputError, match=named):
        distribution.create(DistributionSettings(**settings), environment)


@pytest.mark.skipif(len(tf.config.list_physical_devices("GPU")) > 1, reason="has several GPUs")
@pytest.mark.parametrize("strategy", ["auto", "one_device"])
def test_one_device_needs_no_strategy(strategy):
    created = distribution.create(DistributionSettings(strategy=strategy), {})
    assert created is tf.distribute.get_strategy()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"gpus": 2}, "belongs to strategy 'mirrored'"),
        ({"strategy": "tpu"}, "needs a name"),
        ({"tpu": "node-1"}, "others take none"),
        ({"strategy": "horovod"}, "auto"),
    ],
)
def test_settings_that_contradict_each_other(settings, named):
    with pytest.raises(ValueError, match=named):
        DistributionSettings(**settings)


def test_alone_every_value_is_the_chiefs():
    consensus = distribution.Consensus(tf.distribute.get_strategy())
    assert consensus.of_chief(np.array([1.5, 2.0])).tolist() == [1.5, 2.0]
