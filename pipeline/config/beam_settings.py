"""Settings of the engines that execute ingestion, statistics and evaluation.

Every engine accepts only its own settings; `runner` selects the engine.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from trainer_modules.settings import Settings

_Address = Annotated[str, Field(pattern=r"^[\w.-]+:[0-9]{1,5}$", description="HOST:PORT")]
_Gcs = Annotated[str, Field(pattern=r"^gs://[a-z0-9][\w.-]*(/.*)?$", description="gs://BUCKET/...")]
_Image = Annotated[str, Field(pattern=r"^[^\s]+:[\w.-]+$", description="REGISTRY/NAME:TAG")]

_RUNNER = "what executes ingestion, statistics and evaluation; see docs/beam.md"


class InMemory(Settings):
    """In the process of the step itself."""

    runner: Literal["in_memory"] = Field("in_memory", description=_RUNNER)


class MultiProcessing(Settings):
    """Several processes on the step's machine."""

    runner: Literal["multi_processing"] = Field("multi_processing", description=_RUNNER)
    workers: int = Field(2, ge=1, le=256, description="number of processes")


class _PortableSettings(Settings):
    """A cluster that accepts a job server's jar, and whose workers run our code beside it.

    The job, including the jar, is sent to the cluster over its REST interface: no Java is needed
    here.
    """

    job_server_jar: str = Field(pattern=r".\.jar$", description="Beam's job server, as downloaded")
    worker_pool: _Address | Literal[""] = Field(
        "",
        description="HOST:PORT of a Beam worker pool in this repository's image, beside each task "
        "manager",
    )
    image: _Image | Literal[""] = Field(
        "",
        description="without worker_pool: container to start, with Beam's boot program",
    )

    @model_validator(mode="after")
    def _workers_have_the_code(self) -> Self:
        if bool(self.worker_pool) == bool(self.image):
            raise ValueError(
                f"worker_pool '{self.worker_pool}' with image '{self.image}': give one of them; "
                "workers get this repository and its packages from there"
            )
        return self


class Flink(_PortableSettings):
    """An Apache Flink session cluster."""

    runner: Literal["flink"] = Field("flink", description=_RUNNER)
    master: _Address = Field(description="the JobManager's REST address, HOST:PORT")
    workers: int = Field(2, ge=1, le=4096, description="Flink's parallelism")


class Spark(_PortableSettings):
    """An Apache Spark 3 stand-alone cluster."""

    runner: Literal["spark"] = Field("spark", description=_RUNNER)
    master: str = Field(
        pattern=r"^spark://[\w.-]+:[0-9]{1,5}$",
        description="the master's address, spark://HOST:PORT",
    )
    rest_url: str = Field(
        pattern=r"^https?://[\w.-]+:[0-9]{1,5}$",
        description="the master's REST address, http://HOST:6066",
    )


class Dataflow(Settings):
    """Google Cloud Dataflow: statistics and evaluation of artifacts in Cloud Storage.

    Ingestion stays in its own step, because it writes files and Dataflow's workers share no folder.
    """

    runner: Literal["dataflow"] = Field("dataflow", description=_RUNNER)
    project: str = Field(
        pattern=r"^[a-z][a-z0-9.:-]{4,}[a-z0-9]$", description="the Google Cloud project's id"
    )
    region: str = Field(pattern=r"^[a-z]+-[a-z]+[0-9]+$", description="for example europe-west4")
    temp_location: _Gcs = Field(description="folder for temporary files, gs://BUCKET/...")
    staging_location: _Gcs | Literal[""] = Field(
        "", description="folder for the job's files; empty: temp_location"
    )
    image: _Image = Field(description="this repository's image with Beam's boot program")
    workers: int = Field(2, ge=1, le=4096, description="largest number of workers at a time")
    machine_type: str = Field(
        "", description="machine type of the workers; empty: Dataflow's default"
    )
    subnetwork: str = Field("", description="subnetwork of the workers; empty: the default network")
    service_account: str = Field(
        "",
        pattern=r"^([^@\s]+@[^@\s]+)?$",
        description="service account of the workers; empty: the default one",
    )


def _in_memory_unless_said(value: Any) -> Any:
    return {"runner": "in_memory", **value} if isinstance(value, dict) else value


BeamSettings = Annotated[
    InMemory | MultiProcessing | Flink | Spark | Dataflow,
    Field(discriminator="runner"),
    BeforeValidator(_in_memory_unless_said),
]
