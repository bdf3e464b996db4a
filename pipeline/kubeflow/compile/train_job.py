"""A job of several pods that pretrain one encoder together: a TFJob of Kubeflow's Trainer.

A step of a pipeline is one pod. The operator of a TFJob starts several pods with one command and
connects them by TF_CONFIG; `pipeline.kubeflow.runtime.train_encoder` is that command.
"""

from __future__ import annotations

import json
import os
from typing import Any

import yaml

from pipeline.config.config import RunConfig
from pipeline.config.kubernetes_settings import KubernetesSettings, StepSettings
from pipeline.graph.trainer_config import PRETRAIN, trainer_config
from pipeline.kubeflow.compile import check
from pipeline.kubeflow.compile.targets import KUBEFLOW
from schemas.atomic_write import replacing
from schemas.errors import InputError

_NODE = "Pretrainer"
# Pods are named NAME-worker-NN, and a host name has at most 63 characters.
_LONGEST_NAME = 50


def write_manifest(
    config: RunConfig, *, image: str, examples: str, model: str, output: str
) -> dict[str, Any]:
    """Writes the manifest for `kubectl apply`, and returns it.

    Args:
      config: The run's settings; paths in it are paths inside the pods.
      image: Container image with this repository.
      examples: Folder of the examples: an ImageExampleGen's output on the volume.
      model: Folder for the encoder, on the volume.
      output: The file.

    Raises:
      InputError: A folder that the pods don't share, or a file that can't be written.
    """
    made = manifest(config, image=image, examples=examples, model=model)
    if not output.endswith(".yaml"):
        raise InputError(f"--output '{output}': give a file name ending in .yaml")
    try:
        with replacing(output) as partial, partial.open("w", encoding="utf-8") as file:
            yaml.safe_dump(made, file, sort_keys=False)
    except OSError as error:
        raise InputError(f"--output '{output}' can't be written: {error.strerror}") from None
    return made


def manifest(config: RunConfig, *, image: str, examples: str, model: str) -> dict[str, Any]:
    """The TFJob; see `write_manifest`."""
    settings = config.kubernetes
    step = settings.of_node(_NODE)
    _check(config, step, {"--examples": examples, "--model": model})
    told = trainer_config(config, PRETRAIN, f"{settings.workspace}/checkpoints/{config.name}")
    container = {
        "name": "tensorflow",  # the operator requires this name
        "image": image,
        "imagePullPolicy": settings.image_pull_policy,
        "command": ["python", "-m", "pipeline.kubeflow.runtime.train_encoder"],
        "args": ["--settings", json.dumps(told), "--examples", examples, "--model", model],
        "resources": _resources(step),
        "env": _environment(step),
        **_mounts(step),
    }
    return {
        "apiVersion": "kubeflow.org/v1",
        "kind": "TFJob",
        "metadata": {"name": f"{config.name}-pretrain"},
        "spec": {
            "runPolicy": {"cleanPodPolicy": "Running", "backoffLimit": step.retries},
            "tfReplicaSpecs": {
                "Worker": {
                    "replicas": settings.pretrain_pods,
                    # A killed pod restarts; one with bad input does not.
                    "restartPolicy": "ExitCode",
                    "template": {"spec": _pod(settings, step, container)},
                }
            },
        },
    }


def _check(config: RunConfig, step: StepSettings, folders: dict[str, str]) -> None:
    name = f"{config.name}-pretrain"
    if len(name) > _LONGEST_NAME:
        raise InputError(
            f"setting 'name': received '{config.name}'; for a TFJob at most "
            f"{_LONGEST_NAME - len('-pretrain')} characters"
        )
    strategy, pods = config.distribution.strategy, config.kubernetes.pretrain_pods
    if strategy not in ("auto", "multi_worker") and pods > 1:
        raise InputError(
            f"setting 'distribution.strategy': received '{strategy}', which does not join the "
            f"{pods} pods of kubernetes.pretrain_pods; accepted: auto, multi_worker"
        )
    mounts = KUBEFLOW.mounts(step)
    if config.model.init.path:
        folders = {**folders, "model.init.path": config.model.init.path}
    folders = {**folders, "kubernetes.workspace": config.kubernetes.workspace}
    for said, folder in folders.items():
        if not check.on_volume(os.path.normpath(folder), mounts):
            raise InputError(
                f"{said} '{folder}' is on none of {_NODE}'s volumes "
                f"({', '.join(mounts) or 'it has none'}), which the pods share"
            )


def _pod(
    settings: KubernetesSettings, step: StepSettings, container: dict[str, Any]
) -> dict[str, Any]:
    pod: dict[str, Any] = {"containers": [container]}
    volumes = [
        {"name": f"volume-{place}", "persistentVolumeClaim": {"claimName": volume.claim}}
        for place, volume in enumerate(step.volumes)
    ]
    volumes += [
        {
            "name": f"secret-{place}",
            "secret": {"secretName": mount.secret, "optional": mount.optional},
        }
        for place, mount in enumerate(step.secret_mounts)
    ]
    if volumes:
        pod["volumes"] = volumes
    if settings.image_pull_secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in settings.image_pull_secrets]
    if step.node_selector:
        pod["nodeSelector"] = dict(step.node_selector)
    if step.tolerations:
        pod["tolerations"] = [taint.model_dump(exclude_defaults=True) for taint in step.tolerations]
    return pod


def _mounts(step: StepSettings) -> dict[str, Any]:
    mounts: list[dict[str, Any]] = [
        {
            "name": f"volume-{place}",
            "mountPath": volume.path,
            **({"subPath": volume.sub_path} if volume.sub_path else {}),
        }
        for place, volume in enumerate(step.volumes)
    ]
    mounts += [
        {"name": f"secret-{place}", "mountPath": mount.path, "readOnly": True}
        for place, mount in enumerate(step.secret_mounts)
    ]
    return {"volumeMounts": mounts} if mounts else {}


def _resources(step: StepSettings) -> dict[str, Any]:
    amounts = {"cpu": step.cpu, "memory": step.memory}
    if step.gpus:
        amounts[step.gpu_type] = str(step.gpus)
    return {"requests": amounts, "limits": dict(amounts)}


def _environment(step: StepSettings) -> list[dict[str, Any]]:
    plain = [{"name": name, "value": value} for name, value in step.environment.items()]
    secret = [
        {
            "name": one.variable,
            "valueFrom": {
                "secretKeyRef": {"name": one.secret, "key": one.key, "optional": one.optional}
            },
        }
        for one in step.secret_variables
    ]
    return plain + secret
