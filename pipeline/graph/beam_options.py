"""Beam command lines for each execution engine of the configuration."""

from __future__ import annotations

from pathlib import Path

from pipeline.config.beam_settings import (
    BeamSettings,
    Dataflow,
    Flink,
    InMemory,
    MultiProcessing,
    Spark,
)
from schemas.errors import InputError

# Workers on this machine see the installed packages. Without this option, TFX builds a source
# package of itself for every Beam step (5 s each); these runners do not use the image's name.
_INSTALLED = "--sdk_container_image=none"


def beam_pipeline_args(settings: BeamSettings) -> list[str]:
    """Arguments for `beam_pipeline_args` of the pipeline.

    Always names the runner, because Beam's default first tries to download a binary.
    """
    match settings:
        case InMemory():
            return ["--runner=FnApiRunner", _INSTALLED]
        case MultiProcessing():
            return [
                "--runner=DirectRunner",
                "--direct_running_mode=multi_processing",
                f"--direct_num_workers={settings.workers}",
                _INSTALLED,
            ]
        case Flink():
            return [
                "--runner=FlinkRunner",
                f"--flink_master={settings.master}",
                f"--flink_job_server_jar={settings.job_server_jar}",
                "--flink_submit_uber_jar",
                f"--parallelism={settings.workers}",
                *_portable_environment(settings),
            ]
        case Spark():
            return [
                "--runner=SparkRunner",
                f"--spark_master_url={settings.master}",
                f"--spark_rest_url={settings.rest_url}",
                f"--spark_job_server_jar={settings.job_server_jar}",
                "--spark_submit_uber_jar",
                *_portable_environment(settings),
            ]
        case Dataflow():
            return _dataflow(settings)


def file_writer_args(settings: BeamSettings) -> list[str]:
    """Differences of a step that writes files itself: with Dataflow, it stays in its process."""
    return beam_pipeline_args(InMemory()) if isinstance(settings, Dataflow) else []


def check_local(settings: BeamSettings) -> None:
    """Refuses, before anything runs, an engine that a local run can't use.

    Raises:
      InputError: Dataflow, whose workers don't see local artifacts, or a missing jar.
    """
    if isinstance(settings, Dataflow):
        raise InputError(
            "setting 'beam.runner': received 'dataflow'; its workers see no local folder: compile "
            "the pipeline with kubeflow_runner.py and --pipeline-root gs://..., or use in_memory, "
            "multi_processing, flink or spark"
        )
    if isinstance(settings, Flink | Spark) and not Path(settings.job_server_jar).is_file():
        raise InputError(
            f"setting 'beam.job_server_jar': received '{settings.job_server_jar}', which is not a "
            f"file; give Beam's job server for {settings.runner}, downloaded from Maven"
        )


def cluster_problems(settings: BeamSettings, pipeline_root: str) -> list[str]:
    """Reports an engine that can't reach the artifacts of a pipeline on Kubeflow or Vertex AI."""
    if isinstance(settings, Dataflow) and not pipeline_root.startswith("gs://"):
        return [f"beam.runner 'dataflow' needs --pipeline-root gs://..., not '{pipeline_root}'"]
    if isinstance(settings, Flink | Spark):
        return [
            f"beam.runner '{settings.runner}': its workers don't see the pod's copies of the "
            "artifacts; use in_memory, multi_processing or dataflow there, or a local run"
        ]
    return []


def _portable_environment(settings: Flink | Spark) -> list[str]:
    kind, place = (
        ("EXTERNAL", settings.worker_pool) if settings.worker_pool else ("DOCKER", settings.image)
    )
    # The packages come from the image, so TFX need not build one of itself.
    staged = f"--sdk_container_image={settings.image or 'none'}"
    return [f"--environment_type={kind}", f"--environment_config={place}", staged]


def _dataflow(settings: Dataflow) -> list[str]:
    optional = {
        "worker_machine_type": settings.machine_type,
        "subnetwork": settings.subnetwork,
        "service_account_email": settings.service_account,
    }
    return [
        "--runner=DataflowRunner",
        f"--project={settings.project}",
        f"--region={settings.region}",
        f"--temp_location={settings.temp_location}",
        f"--staging_location={settings.staging_location or settings.temp_location}",
        f"--sdk_container_image={settings.image}",
        f"--max_num_workers={settings.workers}",
        *(f"--{name}={value}" for name, value in optional.items() if value),
    ]
