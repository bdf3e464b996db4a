"""The compiled pipeline: what the kfp SDK and the cluster find in it, and what is refused."""

import contextlib
import copy
import io
import itertools
import json
from pathlib import Path

import pytest
import yaml

import kubeflow_runner
from pipeline.config.config import preset_names
from pipeline.kubeflow.client.pipeline_file import load_pipeline
from pipeline.kubeflow.compile.check import misplaced, undivided, unsupported
from pipeline.kubeflow.compile.pipeline import cluster_config
from schemas.errors import InputError

ROOT = Path(__file__).resolve().parents[4]
POD_SETTINGS = (
    "kubernetes.image_pull_policy=Always",
    "kubernetes.image_pull_secrets=[registry]",
    "kubernetes.step.environment.HTTP_PROXY=http://proxy:80",
    "kubernetes.step.secret_mounts=[{secret: certificates, path: /certs}]",
    "kubernetes.nodes.Finetuner.gpus=2",
    "kubernetes.nodes.Finetuner.memory=64Gi",
    "kubernetes.nodes.Finetuner.retries=2",
    "kubernetes.nodes.Finetuner.node_selector={pool: gpu}",
    "kubernetes.nodes.Finetuner.tolerations=[{key: gpu, operator: Exists, effect: NoSchedule}]",
)


# Weights are trained first, instead of read from a file.
UPSTREAM = (
    "model.init.source=random",
    "upstream.enabled=true",
    "upstream.task.labels=[wheel]",
    "upstream.data.source=manifest",
)


def _runner(*arguments):
    """Status and screen of the command a user types. TFX is imported once for all of them."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = kubeflow_runner.main(arguments)
    return status, out.getvalue(), err.getvalue()


def _compiled(folder, settings, *arguments):
    """The chest X-ray recipe: what the command shows, and its file."""
    file = folder / "pipeline.yaml"
    chosen = [part for item in settings for part in ("--set", item)]
    command = ("compile", "--preset", "cxr", "--image", "example.com/remedis:1")
    status, out, err = _runner(*command, "--output", str(file), *chosen, *arguments)
    assert status == 0, err
    return out, file


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """With pods of its own, and the training of first weights."""
    return _compiled(tmp_path_factory.mktemp("compiled"), (*POD_SETTINGS, *UPSTREAM))


@pytest.fixture(scope="module")
def documents(compiled):
    return list(yaml.safe_load_all(compiled[1].read_text()))


@pytest.fixture(scope="module")
def pods(documents):
    return documents[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]


def _container(documents, node):
    return documents[0]["deploymentSpec"]["executors"][f"{node}_executor"]["container"]


@pytest.mark.slow
def test_summary_names_every_step_with_image_and_resources(compiled, documents):
    table = compiled[0]
    for node in documents[0]["root"]["dag"]["tasks"]:
        (line,) = [line for line in table.splitlines() if line.startswith(f"{node} ")]
        assert "example.com/remedis:1" in line
        assert "CPU" in line
    assert "4 CPU, 64Gi, 2 x nvidia.com/gpu" in table


@pytest.mark.slow
def test_kfp_loads_it(compiled):
    from kfp import components

    component = components.load_component_from_file(str(compiled[1]))
    assert component.name == "cxr"
    assert component.platform_spec.platforms["kubernetes"]


@pytest.mark.slow
def test_every_step_runs_our_entry_point_with_types_of_inputs_and_outputs(documents):
    for node, component in documents[0]["components"].items():
        container = _container(documents, node)
        assert container["command"] == ["python", "-m", "pipeline.kubeflow.runtime.entrypoint"]
        arguments = container["args"]
        value = {a: b for a, b in itertools.pairwise(arguments) if a.startswith("--")}
        assert value["--json_serialized_invocation_args"] == "{{$}}"
        outputs = json.loads(value["--json_serialized_outputs_spec_args"])
        assert outputs == component["outputDefinitions"]
        inputs = json.loads(value["--json_serialized_inputs_spec_args"])
        assert inputs.get("artifacts", {}) == component["inputDefinitions"].get("artifacts", {})


@pytest.mark.slow
def test_every_executor_class_can_be_found(documents):
    for node in documents[0]["components"]:
        arguments = _container(documents, node)["args"]
        path = arguments[arguments.index("--executor_class_path") + 1]
        module = path.rpartition(".")[0].replace(".", "/")
        assert path.startswith("tfx.") or (ROOT / f"{module}.py").is_file(), path


@pytest.mark.slow
def test_resources_of_the_nodes(documents):
    resources = _container(documents, "Finetuner")["resources"]
    assert resources["accelerator"] == {"resourceType": "nvidia.com/gpu", "resourceCount": "2"}
    assert resources["resourceMemoryLimit"] == resources["resourceMemoryRequest"] == "64Gi"
    assert "accelerator" not in _container(documents, "StatisticsGen")["resources"]
    tasks = documents[0]["root"]["dag"]["tasks"]
    assert tasks["Finetuner"]["retryPolicy"] == {"maxRetryCount": 2}
    assert "retryPolicy" not in tasks["DataGate"]


@pytest.mark.slow
def test_pods_of_the_nodes(documents, pods):
    assert {pod["imagePullPolicy"] for pod in pods.values()} == {"Always"}
    assert len(pods) == len(documents[0]["components"])
    finetuner = pods["Finetuner_executor"]
    assert finetuner["nodeSelector"] == {"labels": {"pool": "gpu"}}
    taint = {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}
    assert finetuner["tolerations"] == [taint]
    assert [mount["mountPath"] for mount in finetuner["pvcMount"]] == ["/mnt/remedis"]
    assert [mount["mountPath"] for mount in finetuner["secretAsVolume"]] == ["/certs"]
    assert finetuner["imagePullSecret"][0]["secretName"] == "registry"
    environment = _container(documents, "Reporter")["env"]
    assert environment == [{"name": "HTTP_PROXY", "value": "http://proxy:80"}]


@pytest.mark.slow
def test_only_ingestion_gets_the_key_of_the_pseudonyms(pods):
    with_secrets = [label for label, pod in pods.items() if "secretAsEnv" in pod]
    assert sorted(with_secrets) == ["ImageExampleGen_executor", "UpstreamExampleGen_executor"]
    for label in with_secrets:
        (secret,) = pods[label]["secretAsEnv"]
        assert secret["keyToEnv"] == [{"secretKey": "id-key", "envVar": "REMEDIS_ID_KEY"}]


@pytest.mark.slow
def test_folders_left_open_lie_on_the_mounted_volume(documents):
    tasks = documents[0]["root"]["dag"]["tasks"]

    def constant(node, name):
        value = tasks[node]["inputs"]["parameters"][name]["runtimeValue"]["constant"]
        return json.loads(value) if value.startswith("{") else value

    assert constant("ImageExampleGen", "data")["root"] == "/mnt/remedis/data"
    assert constant("ModelGate", "baseline_dir") == "/mnt/remedis/pushed/classifier"
    # A pod counts looks only where it is told to.
    assert constant("ModelGate", "ledger") == ""
    trainer = constant("Pretrainer", "custom_config")
    assert trainer["checkpoint_root"] == "/mnt/remedis/checkpoints/cxr"
    assert constant("UpstreamExampleGen", "data")["root"] == "/mnt/remedis/upstream"
    assert documents[0]["defaultPipelineRoot"] == "minio://mlpipeline/v2/artifacts"


@pytest.mark.slow
def test_pretraining_takes_the_model_of_the_upstream_training(documents):
    inputs = documents[0]["root"]["dag"]["tasks"]["Pretrainer"]["inputs"]["artifacts"]
    (task,) = {artifact["taskOutputArtifact"]["producerTask"] for artifact in inputs.values()} - {
        "ImageExampleGen"
    }
    assert task == "Upstream"
    assert _container(documents, "Upstream")["resources"]["resourceMemoryLimit"] == "16Gi"


def test_weights_and_natural_images_lie_on_the_mounted_volume():
    weights = cluster_config(preset="cxr").model.init.path
    assert weights == "/mnt/remedis/weights/BiT-M-R50x1.npz"
    overrides = [*UPSTREAM, "upstream.data.root=/cars"]
    (problem,) = misplaced(cluster_config(preset="cxr", overrides=overrides))
    assert "node 'UpstreamExampleGen': upstream.data.root '/cars'" in problem


@pytest.mark.slow
def test_run_parameters_reach_the_steps_they_concern(documents):
    spec = documents[0]
    declared = spec["root"]["inputDefinitions"]["parameters"]
    assert declared["pretrain_epochs"]["parameterType"] == "NUMBER_INTEGER"
    assert declared["pretrain_epochs"]["defaultValue"] == 100
    assert declared["label_fraction"]["defaultValue"] == 1.0
    takes = {
        node
        for node, task in spec["root"]["dag"]["tasks"].items()
        if task["inputs"]["parameters"].get("run_pretrain_epochs")
        == {"componentInputParameter": "pretrain_epochs"}
    }
    assert takes == {"Pretrainer", "Reporter"}


@pytest.mark.slow
def test_nothing_of_the_compiled_pipeline_is_unsupported(documents):
    assert unsupported(documents[0]) == []


@pytest.mark.slow
@pytest.mark.parametrize("preset", preset_names())
def test_every_preset_compiles_and_passes_the_guard(preset, tmp_path):
    file = tmp_path / "pipeline.yaml"
    image = ("--image", "example.com/remedis:1", "--output", str(file))
    status, _, err = _runner("compile", "--preset", preset, *image)
    assert status == 0, err
    assert unsupported(load_pipeline(str(file))) == []


@pytest.mark.slow
def test_search_is_a_step_whose_result_the_finetuning_takes(tmp_path):
    _, file = _compiled(tmp_path, ["finetune.search.enabled=true", "data.root=/mnt/remedis/a"])
    spec = load_pipeline(str(file))
    inputs = spec["root"]["dag"]["tasks"]["Finetuner"]["inputs"]["artifacts"]
    producers = {artifact["taskOutputArtifact"]["producerTask"] for artifact in inputs.values()}
    assert "FinetuneTuner" in producers
    assert unsupported(spec) == []


@pytest.mark.slow
def test_ingestion_of_the_newest_folder_is_never_answered_by_the_cache(documents, tmp_path):
    def caches(spec):
        options = spec["root"]["dag"]["tasks"]["ImageExampleGen"]["cachingOptions"]
        return options.get("enableCache", False)

    _, file = _compiled(tmp_path, ["data.root=/mnt/remedis/data/v{SPAN}"])
    assert caches(documents[0])
    assert not caches(next(yaml.safe_load_all(file.read_text())))


@pytest.mark.slow
@pytest.mark.parametrize("node", ["Pusher", "EncoderPusher"])
def test_a_push_is_never_answered_by_the_cache(documents, node):
    """The cache does not see whether the model is still where it was pushed."""
    assert documents[0]["root"]["dag"]["tasks"][node]["cachingOptions"] == {}


@pytest.fixture(scope="module")
def vertex(tmp_path_factory):
    """The file for Vertex AI."""
    settings = (
        "kubernetes.nodes.Pretrainer.gpus=2",
        "kubernetes.nodes.Pretrainer.gpu_type=NVIDIA_TESLA_T4",
        "kubernetes.nodes.Pretrainer.memory=48Gi",
        "kubernetes.nodes.Reporter.cpu=500m",
    )
    place = ("--target", "vertex", "--pipeline-root", "gs://bucket/root")
    return _compiled(tmp_path_factory.mktemp("vertex"), settings, *place)[1]


@pytest.mark.slow
def test_vertex_job_is_made_of_the_file_by_googles_own_client(vertex):
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import aiplatform

    job = aiplatform.PipelineJob(
        display_name="chest",
        template_path=str(vertex),
        parameter_values={"pretrain_epochs": 3, "label_fraction": 0.1},
        project="hospital-1",
        location="europe-west4",
        credentials=AnonymousCredentials(),
    )
    made = type(job._gca_resource).to_dict(job._gca_resource)
    assert made["runtime_config"]["gcs_output_directory"] == "gs://bucket/root"
    assert made["runtime_config"]["parameter_values"]["pretrain_epochs"] == 3
    assert made["pipeline_spec"]["schemaVersion"] == "2.1.0"


@pytest.mark.slow
def test_vertex_has_numbers_for_resources_and_buckets_for_volumes(vertex):
    (spec,) = yaml.safe_load_all(vertex.read_text())
    resources = _container([spec], "Pretrainer")["resources"]
    # 48 * 2**30 bytes are 51.54 GB.
    assert resources["memoryLimit"] == pytest.approx(51.54, abs=0.01)
    assert resources["accelerator"] == {"type": "NVIDIA_TESLA_T4", "count": "2"}
    assert _container([spec], "Reporter")["resources"]["cpuLimit"] == 0.5
    inputs = spec["root"]["dag"]["tasks"]["ImageExampleGen"]["inputs"]["parameters"]
    data = json.loads(inputs["data"]["runtimeValue"]["constant"])
    assert data["root"] == "/gcs/bucket/remedis/data"
    assert unsupported(spec) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("kubernetes.step.node_selector={pool: a}", "node 'Reporter': kubernetes.node_selector"),
        ("kubernetes.nodes.Finetuner.gpus=1", "node 'Finetuner': kubernetes gpu_type 'nvidia.com"),
        ("push.destination=/mnt/pushed", "choose a folder there, /gcs/BUCKET/"),
        (
            "kubernetes.step.secret_variables=[{secret: s, key: k, variable: V}]",
            "node 'Reporter': secret 's' is Kubernetes'",
        ),
    ],
)
def test_vertex_refuses_what_only_kubernetes_has(setting, said):
    _assert_refused(["--target", "vertex", "--pipeline-root", "gs://b", "--set", setting], said)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--output", "/nonexistent/p.yaml"], "No such file or directory"),
        (["--output", "p.json"], "ending in .yaml"),
        (["--image", "Registry/Remedis:1"], "lower case"),
        (["--image", ""], "--image is missing"),
        (["--set", "name=Chest"], "setting 'name': received 'Chest'"),
        (["--pipeline-root", "http://store"], "minio://"),
        (["--pipeline-root", "gs://"], "with a bucket"),
        (["--target", "vertex"], "--pipeline-root '': accepted are gs:// URIs"),
        (["--target", "vertex", "--pipeline-root", "minio://b"], "accepted are gs:// URIs"),
        (
            ["--set", "beam.runner=multi_processing", "--set", "beam.workers=0"],
            "setting 'beam.workers': received 0",
        ),
        (["--set", "push.destination=/elsewhere"], "node 'Pusher': push.destination '/elsewhere'"),
        (["--set", "gate.ledger=/elsewhere/l"], "node 'ModelGate': gate.ledger '/elsewhere/l'"),
        (["--set", "kubernetes.step.cpu=many"], "setting 'kubernetes.step.cpu'"),
        (["--output", "/proc/p.yaml"], "can't be written"),
    ],
)
def test_bad_input_is_refused_with_status_2(arguments, said):
    _assert_refused(arguments, said)


@pytest.mark.slow
def test_pod_of_a_node_that_does_not_exist_is_refused():
    _assert_refused(
        ["--set", "kubernetes.nodes.Trainer.gpus=1"],
        "setting 'kubernetes.nodes.Trainer': no such node; accepted: DataGate",
    )


def _assert_refused(arguments, said):
    status, _, err = _runner(
        "compile", "--preset", "demo", "--image", "example.com/remedis:1", *arguments
    )
    assert status == 2
    assert said in err


SPEC = {
    "schemaVersion": "2.1.0",
    "components": {"A": {"executorLabel": "A_executor"}},
    "deploymentSpec": {"executors": {"A_executor": {"container": {"image": "i:1"}}}},
    "root": {"dag": {"tasks": {"A": {"componentRef": {"name": "A"}}}}},
}


@pytest.mark.parametrize(
    ("executor", "task", "said"),
    [
        ({"resolver": {}}, {}, "node 'A': a Resolver"),
        ({"importer": {}}, {}, "node 'A': an executor of the kind importer"),
        ({"container": {}}, {}, "node 'A': has no container image"),
        ({"container": {"image": "i:1", "lifecycle": {}}}, {}, "node 'A': a driver hook"),
        ({"container": {"image": "i:1"}}, {"triggerPolicy": {"condition": "x"}}, "a condition"),
        ({"container": {"image": "i:1"}}, {"artifactIterator": {}}, "a loop over artifacts"),
    ],
)
def test_guard_names_the_node_and_what_is_not_supported(executor, task, said):
    spec = copy.deepcopy(SPEC)
    spec["deploymentSpec"]["executors"]["A_executor"] = executor
    spec["root"]["dag"]["tasks"]["A"].update(task)
    (problem,) = unsupported(spec)
    assert said in problem


def test_guard_lists_everything_at_once():
    spec = copy.deepcopy(SPEC)
    spec["schemaVersion"] = "2.0.0"
    spec["deploymentSpec"]["executors"]["A_executor"] = {"resolver": {}}
    assert len(unsupported(spec)) == 2
    assert unsupported(SPEC) == []


def test_weights_outside_the_volume_are_named():
    config = cluster_config(preset="cxr", overrides=["model.init.path=/weights/bit.npz"])
    (problem,) = misplaced(config)
    assert "node 'Pretrainer': model.init.path '/weights/bit.npz'" in problem


FOUR = "kubernetes.nodes.Finetuner.gpus=4"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            ["distribution.strategy=mirrored", FOUR],
            ["node 'Pretrainer': distribution.strategy 'mirrored' n"],
        ),
        (
            [
                "distribution={strategy: mirrored, gpus: 4}",
                "kubernetes.nodes.Pretrainer.gpus=2",
                FOUR,
            ],
            ["node 'Pretrainer': distribution.strategy 'mirrored' needs 4 GPUs, its pod has 2"],
        ),
        (
            ["distribution.strategy=one_device", "kubernetes.nodes.Pretrainer.gpus=2"],
            ["node 'Pretrainer': distribution.strategy 'one_device' uses one of its pod's 2 GPUs"],
        ),
        (["distribution.strategy=multi_worker"], ["a step is one pod: kubeflow_runner.py tfjob"]),
        (["kubernetes.nodes.Pretrainer.gpus=2"], []),
    ],
)
def test_devices_of_a_training_are_those_of_its_pod(settings, said):
    found = undivided(cluster_config(preset="cxr", overrides=settings))
    assert len(found) == len(said)
    assert all(text in problem for text, problem in zip(said, found, strict=True))


def test_cluster_config_leaves_given_folders_alone():
    config = cluster_config(
        preset="cxr",
        overrides=["data.root=/mnt/remedis/chexpert", "kubernetes.workspace=/mnt/remedis/team"],
    )
    assert config.data.root == "/mnt/remedis/chexpert"
    assert config.push.destination == "/mnt/remedis/team/pushed"
    assert config.model.init.path == "/mnt/remedis/team/weights/BiT-M-R50x1.npz"
    with pytest.raises(InputError, match="setting 'push'"):
        cluster_config(preset="demo", overrides=["push=3"])
