"""The TFJob for pretraining in several pods: its manifest, and its command."""

import json
from pathlib import Path

import pytest
import yaml

import kubeflow_runner
from pipeline.kubeflow.runtime import train_encoder
from schemas.errors import InputError

EXAMPLES, MODEL = "/mnt/remedis/run/examples/1", "/mnt/remedis/encoders/a"
SETTINGS = (
    "kubernetes.pretrain_pods=4",
    "kubernetes.image_pull_secrets=[registry]",
    "kubernetes.step.environment.HTTP_PROXY=http://proxy:80",
    "kubernetes.step.secret_mounts=[{secret: certificates, path: /certs}]",
    "kubernetes.step.secret_variables=[{secret: s, key: k, variable: V, optional: true}]",
    "kubernetes.nodes.Pretrainer.gpus=1",
    "kubernetes.nodes.Pretrainer.memory=48Gi",
    "kubernetes.nodes.Pretrainer.retries=3",
    "kubernetes.nodes.Pretrainer.node_selector={pool: gpu}",
    "kubernetes.nodes.Pretrainer.tolerations=[{key: gpu, operator: Exists, effect: NoSchedule}]",
)


def _command(output, *more, preset="demo", settings=()):
    chosen = [part for item in settings for part in ("--set", item)]
    return [
        *("tfjob", "--preset", preset, "--image", "example.com/remedis:1"),
        *("--examples", EXAMPLES, "--model", MODEL, "--output", str(output)),
        *chosen,
        *more,
    ]


def _manifest(folder, *settings, preset="demo"):
    file = folder / "tfjob.yaml"
    assert kubeflow_runner.main(_command(file, preset=preset, settings=settings)) == 0
    return yaml.safe_load(file.read_text())


def test_fields_of_the_job(tmp_path, capsys):
    job = _manifest(tmp_path, *SETTINGS, preset="cxr")
    assert "TFJob 'cxr-pretrain'" in capsys.readouterr().out
    assert (job["apiVersion"], job["kind"]) == ("kubeflow.org/v1", "TFJob")
    assert job["spec"]["runPolicy"]["backoffLimit"] == 3
    # Without a chief, worker 0 is it: for TensorFlow and for the operator.
    assert list(job["spec"]["tfReplicaSpecs"]) == ["Worker"]
    workers = job["spec"]["tfReplicaSpecs"]["Worker"]
    assert (workers["replicas"], workers["restartPolicy"]) == (4, "ExitCode")
    (container,) = workers["template"]["spec"]["containers"]
    assert container["name"] == "tensorflow"
    assert container["image"] == "example.com/remedis:1"
    amounts = {"cpu": "4", "memory": "48Gi", "nvidia.com/gpu": "1"}
    assert container["resources"] == {"requests": amounts, "limits": amounts}
    told = json.loads(container["args"][container["args"].index("--settings") + 1])
    assert told["checkpoint_root"] == "/mnt/remedis/checkpoints/cxr"
    assert told["settings"]["pretrain"]["epochs"] == 100
    assert told["distribution"]["strategy"] == "auto"


def test_pods_are_what_the_kubernetes_client_knows(tmp_path):
    """Read as Kubernetes' own models and written again: an unknown field would be lost."""
    from kubernetes import client

    pods = _manifest(tmp_path, *SETTINGS)["spec"]["tfReplicaSpecs"]["Worker"]["template"]
    api = client.ApiClient()
    answer = type("Response", (), {"data": json.dumps(pods)})
    read = api.deserialize(answer, "V1PodTemplateSpec")
    assert api.sanitize_for_serialization(read) == pods
    assert read.spec.volumes[0].persistent_volume_claim.claim_name == "remedis"
    assert read.spec.volumes[1].secret.secret_name == "certificates"
    mounts = {mount.name: mount.mount_path for mount in read.spec.containers[0].volume_mounts}
    assert mounts == {"volume-0": "/mnt/remedis", "secret-0": "/certs"}
    assert read.spec.node_selector == {"pool": "gpu"}
    assert read.spec.tolerations[0].key == "gpu"
    proxy, secret = read.spec.containers[0].env
    assert (proxy.name, proxy.value) == ("HTTP_PROXY", "http://proxy:80")
    assert secret.value_from.secret_key_ref.name == "s"


@pytest.mark.parametrize(
    ("more", "settings", "said"),
    [
        (["--model", "/elsewhere"], [], "--model '/elsewhere' is on none of Pretrainer's volumes"),
        (["--examples", "/mnt/remedis/../x"], [], "--examples '/mnt/remedis/../x' is on none"),
        (["--image", ""], [], "--image is missing"),
        (["--image", "UPPER"], [], "--image 'UPPER'"),
        ([], ["name=" + "a" * 42], "at most 41 characters"),
        ([], ["kubernetes.pretrain_pods=0"], "'kubernetes.pretrain_pods': received 0"),
        ([], ["model.init={source: encoder, path: /w}"], "model.init.path '/w' is on none"),
        ([], ["distribution.strategy=one_device"], "does not join the 2 pods"),
        (["--output", "/proc/job.yaml"], [], "--output '/proc/job.yaml' can't be written"),
        (["--output", "job.json"], [], "ending in .yaml"),
    ],
)
def test_bad_input_is_refused_with_status_2(tmp_path, capsys, more, settings, said):
    assert kubeflow_runner.main(_command(tmp_path / "j.yaml", *more, settings=settings)) == 2
    assert said in capsys.readouterr().err


@pytest.mark.slow
def test_its_command_pretrains_and_the_pipeline_takes_the_encoder(tmp_path):
    """One process stands for the pods (two are tested in tests/trainer_modules)."""
    from tests.trainer_modules import tiny_data
    from trainer_modules.backbones import registry
    from trainer_modules.settings import InitSettings, ModelSettings
    from trainer_modules.weights import initialization

    tiny = {
        "model": {**tiny_data.MODEL, "init": {"source": "random"}},
        "pretrain": {**tiny_data.PRETRAIN, "epochs": 1},
        "task": tiny_data.BINARY,
    }
    job = _manifest(tmp_path, *(f"{name}={json.dumps(value)}" for name, value in tiny.items()))
    (container,) = job["spec"]["tfReplicaSpecs"]["Worker"]["template"]["spec"]["containers"]
    assert container["command"] == ["python", "-m", "pipeline.kubeflow.runtime.train_encoder"]
    here = [text.replace("/mnt/remedis", str(tmp_path)) for text in container["args"]]
    examples, model = (Path(here[here.index(name) + 1]) for name in ("--examples", "--model"))
    for split, count in (("unlabeled", 16), ("train", 16), ("validation", 8)):
        tiny_data.write_split(examples / f"Split-{split}", tiny_data.BINARY, count)
    assert train_encoder.main(here) == 0
    assert (model / "run" / "history.json").is_file()
    network = registry.build_backbone(ModelSettings(**tiny_data.MODEL))
    init = InitSettings(source="encoder", path=str(model / "encoder"))
    assert initialization.initialize(network, init).arrays == len(network.weights)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"--settings": "{}"}, "--settings is not what kubeflow_runner.py tfjob writes"),
        ({"--settings": "{"}, "--settings is not what kubeflow_runner.py tfjob writes"),
        ({"--examples": "/nonexistent"}, "--examples '/nonexistent' is not a folder"),
        ({"--model": "/proc/model"}, "--model '/proc/model' can't be used"),
    ],
)
def test_command_with_bad_input_says_so_with_status_2(tmp_path, capsys, change, said):
    job = _manifest(tmp_path)
    (container,) = job["spec"]["tfReplicaSpecs"]["Worker"]["template"]["spec"]["containers"]
    told = dict(zip(container["args"][::2], container["args"][1::2], strict=True))
    told |= {"--examples": str(tmp_path), "--model": str(tmp_path / "model")} | change
    capsys.readouterr()
    assert train_encoder.main([part for pair in told.items() for part in pair]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert said in err


def test_image_names_are_checked_as_for_a_pipeline():
    from pipeline.kubeflow.compile.pipeline import check_image

    with pytest.raises(InputError, match="lower case"):
        check_image("Registry/Remedis:1")
    check_image("registry.example.com:5000/remedis@sha256:" + "0" * 64)
