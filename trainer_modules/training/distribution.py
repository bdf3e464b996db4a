"""Which devices train together: one, this machine's GPUs, several machines', or a TPU.

Several processes find each other by TensorFlow's environment variable TF_CONFIG, which Kubeflow's
training operator sets. Each runs the same trainer; only the chief writes files.
"""

from __future__ import annotations

import dataclasses
import json
import socket
import urllib.parse
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from schemas.errors import InputError
from trainer_modules.settings import DistributionSettings

TF_CONFIG = "TF_CONFIG"
_ROLES = ("chief", "worker")
_TPU_SECONDS = 10
_ACCEPTED = (
    'accepted: {"cluster": {"worker": ["host:port", ...]}, '
    '"task": {"type": "worker", "index": 0}}, optionally with one "chief" beside the workers'
)


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The processes of a training, as TF_CONFIG names them."""

    processes: int
    chief: bool


def read_cluster(environment: Mapping[str, str]) -> Cluster:
    """Reads TF_CONFIG; without it, or if it names one process, this process trains alone."""
    text = environment.get(TF_CONFIG, "").strip()
    if not text:
        return Cluster(1, chief=True)
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{TF_CONFIG} is not JSON ({error}): {text!r}; {_ACCEPTED}") from error
    given = content.get("cluster", {}) if isinstance(content, dict) else None
    if given == {}:
        return Cluster(1, chief=True)
    cluster = _processes(given, text)
    role, index = _task(content.get("task"), cluster, text)
    chief = role == "chief" or ("chief" not in cluster and index == 0)
    return Cluster(sum(map(len, cluster.values())), chief)


def create(
    settings: DistributionSettings, environment: Mapping[str, str]
) -> tf.distribute.Strategy:
    """Creates the configured strategy; call it before TensorFlow computes anything."""
    cluster = read_cluster(environment)
    name = settings.strategy
    if name == "auto":
        several = len(tf.config.list_physical_devices("GPU")) > 1
        name = "multi_worker" if cluster.processes > 1 else "mirrored" if several else "one_device"
    if name == "multi_worker":
        return _multi_worker(cluster)
    if cluster.processes > 1:
        raise InputError(
            f"distribution.strategy '{name}' with {TF_CONFIG} of {cluster.processes} processes: "
            "each would train for itself; accepted with several: auto, multi_worker"
        )
    if name == "mirrored":
        return _mirrored(settings.gpus)
    return _tpu(settings.tpu) if name == "tpu" else tf.distribute.get_strategy()


def several_processes(strategy: tf.distribute.Strategy) -> bool:
    """Whether the replicas of a strategy belong to several processes."""
    multi_worker = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
    return multi_worker and strategy.extended._in_multi_worker_mode()


def let_processes_agree_on_logs(model: keras.Model) -> None:
    """Makes a model's logs the mean over several processes.

    Keras 3 takes this mean over the first axis of what `train_step` returns, and scalars have none.
    """
    if not several_processes(model.distribute_strategy):
        return
    train_step = model.train_step
    model.train_step = lambda data: {
        name: tf.convert_to_tensor(value)[None] for name, value in train_step(data).items()
    }


class Consensus:
    """Lets processes that train together take the same decisions, so that none waits forever.

    Every process must call the same methods in the same order.
    """

    def __init__(self, strategy: tf.distribute.Strategy) -> None:
        self._strategy = strategy
        self._several = several_processes(strategy)
        self._gather = tf.function(self._gather_in_replicas, autograph=False)

    def of_chief(self, values: np.ndarray) -> np.ndarray:
        """The chief's values (float64 [N]) in every process."""
        return self.of_all(values)[0]

    def of_all(self, values: np.ndarray) -> np.ndarray:
        """The values (float64 [N]) of all replicas, [replicas, N]; the chief's are first."""
        if not self._several:
            return values[None]
        gathered = self._gather(tf.constant(values, tf.float64))
        return self._strategy.experimental_local_results(gathered)[0].numpy()

    def _gather_in_replicas(self, values: tf.Tensor) -> Any:
        return self._strategy.run(self._gather_in_replica, args=(values,))

    @staticmethod
    def _gather_in_replica(values: tf.Tensor) -> tf.Tensor:
        context = tf.distribute.get_replica_context()
        index, count = context.replica_id_in_sync_group, context.num_replicas_in_sync
        own = (tf.range(count) == index)[:, None]
        slots = tf.where(own, values[None], tf.zeros_like(values)[None])  # NaN stays in its slot
        return context.all_reduce(tf.distribute.ReduceOp.SUM, slots)


def _processes(cluster: Any, text: str) -> dict[str, list[str]]:
    """Returns the addresses by role; refuses unknown roles and malformed addresses."""
    if not isinstance(cluster, dict) or not set(cluster) <= set(_ROLES):
        raise InputError(
            f"{TF_CONFIG}: its 'cluster' has other roles; received {text}; {_ACCEPTED}"
        )
    for role, addresses in cluster.items():
        listed = isinstance(addresses, list) and addresses
        if not listed or not all(isinstance(each, str) and ":" in each for each in addresses):
            raise InputError(
                f"{TF_CONFIG}: cluster.{role} is {addresses!r}, no list of host:port; {_ACCEPTED}"
            )
    if len(cluster.get("chief", ["one"])) != 1:
        raise InputError(f"{TF_CONFIG}: {len(cluster['chief'])} chiefs; {_ACCEPTED}")
    return cluster


def _task(task: Any, cluster: dict[str, list[str]], text: str) -> tuple[str, int]:
    """Role and number of this process."""
    match task:
        case {"type": str(role), "index": int(index)} if not isinstance(index, bool) and (
            0 <= index < len(cluster.get(role, []))
        ):
            return role, index
    raise InputError(
        f"{TF_CONFIG}: its 'task' {task!r} is none of its cluster's processes; received "
        f"{text}; {_ACCEPTED}"
    )


def _multi_worker(cluster: Cluster) -> tf.distribute.Strategy:
    if cluster.processes < 2:
        raise InputError(
            f"distribution.strategy 'multi_worker' needs {TF_CONFIG} with two processes or more; "
            f"it names {cluster.processes}; {_ACCEPTED}"
        )
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        raise InputError(
            f"distribution.strategy 'multi_worker': {error}. TensorFlow joins processes when they "
            "start: run the trainer in a process of its own"
        ) from error


def _mirrored(gpus: int) -> tf.distribute.Strategy:
    found = len(tf.config.list_physical_devices("GPU"))
    if not found or gpus > found:
        raise InputError(
            f"distribution.strategy 'mirrored' with distribution.gpus={gpus}: TensorFlow sees "
            f"{found} GPUs on this machine; accepted: at most so many (0: all, one at least)"
        )
    return tf.distribute.MirroredStrategy([f"GPU:{index}" for index in range(gpus or found)])


def _tpu(name: str) -> tf.distribute.Strategy:
    try:
        if name.startswith("grpc://"):  # TensorFlow itself would wait for it without end
            address = urllib.parse.urlsplit(name)
            socket.create_connection((address.hostname, address.port), _TPU_SECONDS).close()
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect(name)
    except (ImportError, OSError, RuntimeError, ValueError, tf.errors.OpError) as error:
        raise InputError(
            f"distribution.tpu '{name}' cannot be reached: {error}. Accepted: the name of a Cloud "
            "TPU of this project and zone, its grpc:// address, or 'local' on a TPU's own machine"
        ) from error
    return tf.distribute.TPUStrategy(resolver)
