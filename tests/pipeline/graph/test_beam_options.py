"""Every engine's options as Beam itself reads them, and what is refused before a run."""

import pytest

from pipeline.config.config import dump_config, load_config
from pipeline.graph.beam_options import (
    beam_pipeline_args,
    check_local,
    cluster_problems,
    file_writer_args,
)
from schemas.errors import InputError

FLINK = (
    "runner=flink",
    "master=flink.example.com:8081",
    "workers=4",
    "job_server_jar=beam-runners-flink-1.19-job-server-2.77.0.jar",
    "worker_pool=localhost:50000",
)
SPARK = (
    "runner=spark",
    "master=spark://spark.example.com:7077",
    "rest_url=http://spark.example.com:6066",
    "job_server_jar=beam-runners-spark-3-job-server-2.77.0.jar",
    "image=example.com/remedis-beam:1",
)
DATAFLOW = (
    "runner=dataflow",
    "project=hospital-1",
    "region=europe-west4",
    "temp_location=gs://bucket/tmp",
    "image=example.com/remedis-beam:1",
    "workers=8",
    "machine_type=n2-standard-8",
    "subnetwork=regions/europe-west4/subnetworks/private",
    "service_account=beam@hospital-1.iam.gserviceaccount.com",
)


def _beam(*overrides):
    return load_config(preset="demo", overrides=[f"beam.{o}" for o in overrides]).beam


def _options(*overrides, args=beam_pipeline_args):
    """As Beam parses the arguments; one that it does not know is an error."""
    from apache_beam.options.pipeline_options import PipelineOptions

    given = args(_beam(*overrides))
    options = PipelineOptions(given)
    known = options.get_all_options(drop_default=True, retain_unknown_options=False)
    assert len(known) == len(given), (known, given)
    return known


# Each compared with what Beam's option classes hold after parsing.
@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ((), {"runner": "FnApiRunner", "sdk_container_image": "none"}),
        (
            ("runner=multi_processing", "workers=3"),
            {
                "runner": "DirectRunner",
                "direct_running_mode": "multi_processing",
                "direct_num_workers": 3,
                "sdk_container_image": "none",
            },
        ),
        (
            FLINK,
            {
                "runner": "FlinkRunner",
                "flink_master": "flink.example.com:8081",
                "flink_submit_uber_jar": True,
                "flink_job_server_jar": "beam-runners-flink-1.19-job-server-2.77.0.jar",
                "parallelism": 4,
                "environment_type": "EXTERNAL",
                "environment_config": "localhost:50000",
                "sdk_container_image": "none",
            },
        ),
        (
            SPARK,
            {
                "runner": "SparkRunner",
                "spark_master_url": "spark://spark.example.com:7077",
                "spark_rest_url": "http://spark.example.com:6066",
                "spark_submit_uber_jar": True,
                "spark_job_server_jar": "beam-runners-spark-3-job-server-2.77.0.jar",
                "environment_type": "DOCKER",
                "environment_config": "example.com/remedis-beam:1",
                "sdk_container_image": "example.com/remedis-beam:1",
            },
        ),
        (
            DATAFLOW,
            {
                "runner": "DataflowRunner",
                "project": "hospital-1",
                "region": "europe-west4",
                "temp_location": "gs://bucket/tmp",
                "staging_location": "gs://bucket/tmp",
                "sdk_container_image": "example.com/remedis-beam:1",
                "max_num_workers": 8,
                "machine_type": "n2-standard-8",
                "subnetwork": "regions/europe-west4/subnetworks/private",
                "service_account_email": "beam@hospital-1.iam.gserviceaccount.com",
            },
        ),
    ],
)
def test_options_as_beam_reads_them(overrides, expected):
    assert _options(*overrides) == expected


def test_beam_finds_the_dataflow_options_complete():
    from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions
    from apache_beam.options.pipeline_options_validator import PipelineOptionsValidator
    from apache_beam.runners import DataflowRunner

    options = PipelineOptions([*beam_pipeline_args(_beam(*DATAFLOW)), "--job_name=statistics"])
    validator = PipelineOptionsValidator(options, DataflowRunner())
    assert validator.validate_cloud_options(options.view_as(GoogleCloudOptions)) == []
    for place in ("temp_location", "staging_location"):
        assert validator.validate_gcs_path(options.view_as(GoogleCloudOptions), place) == []


def test_tfx_builds_no_package_of_itself_for_any_engine():
    from tfx.utils.dependency_utils import make_beam_dependency_flags

    for overrides in ((), FLINK, SPARK, DATAFLOW):
        given = beam_pipeline_args(_beam(*overrides))
        assert make_beam_dependency_flags(given) == given


def test_steps_that_write_files_stay_out_of_dataflow():
    assert file_writer_args(_beam(*DATAFLOW)) == beam_pipeline_args(_beam())
    assert file_writer_args(_beam(*FLINK)) == []


@pytest.mark.parametrize("overrides", [FLINK, SPARK, DATAFLOW])
def test_saved_configuration_reads_back(overrides, tmp_path):
    config = load_config(preset="demo", overrides=[f"beam.{o}" for o in overrides])
    (tmp_path / "config.yaml").write_text(dump_config(config))
    assert load_config(path=str(tmp_path / "config.yaml")) == config


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("runner=flik",), "'beam.runner': received 'flik'; accepted: 'in_memory', "),
        (("runner=flink",), "setting 'beam.master' is missing"),
        (("runner=flink",), "setting 'beam.job_server_jar' is missing"),
        (FLINK[:-1], "worker_pool '' with image '': give one of them"),
        ((*FLINK, "image=a:1"), "worker_pool 'localhost:50000' with image 'a:1': give one"),
        ((*FLINK, "master=http://flink:8081"), "'beam.master': received 'http://flink:8081'"),
        ((*SPARK, "master=spark:7077"), "'beam.master': received 'spark:7077'"),
        (("runner=spark",), "setting 'beam.rest_url' is missing"),
        (("runner=dataflow",), "setting 'beam.project' is missing"),
        (("runner=dataflow",), "setting 'beam.region' is missing"),
        (("runner=dataflow",), "setting 'beam.image' is missing"),
        ((*DATAFLOW, "temp_location=/tmp"), "'beam.temp_location': received '/tmp'"),
        ((*DATAFLOW, "master=a:1"), "'beam.master' does not apply to the chosen kind of 'beam'"),
        (("runner=[]",), "setting 'beam"),
        (("workers=2",), "'beam.workers' does not apply to the chosen kind of 'beam'"),
        (("runner=flink", "wokers=2"), "'beam.wokers' does not exist; nearest valid name"),
        (("runner=multi_processing", "workers=0"), "'beam.workers': received 0"),
    ],
)
def test_wrong_setting_is_refused_by_name(overrides, said):
    with pytest.raises(InputError) as caught:
        _beam(*overrides)
    assert said in str(caught.value)


@pytest.mark.parametrize("value", ["5", "flink", "[flink]"])
def test_an_engine_is_a_section(value):
    with pytest.raises(InputError, match="setting 'beam': received"):
        load_config(preset="demo", overrides=[f"beam={value}"])


def test_local_run_refuses_what_it_cannot_use(tmp_path):
    with pytest.raises(InputError, match=r"'beam\.runner': received 'dataflow'; its workers see"):
        check_local(_beam(*DATAFLOW))
    with pytest.raises(
        InputError, match=r"'beam\.job_server_jar': received '.*', which is not a file"
    ):
        check_local(_beam(*FLINK))
    jar = tmp_path / "server.jar"
    jar.touch()
    check_local(_beam(*FLINK, f"job_server_jar={jar}"))
    check_local(_beam())


def test_cluster_refuses_engines_that_cannot_reach_its_artifacts():
    (problem,) = cluster_problems(_beam(*FLINK), "minio://bucket")
    assert problem == (
        "beam.runner 'flink': its workers don't see the pod's copies of the artifacts; use "
        "in_memory, multi_processing or dataflow there, or a local run"
    )
    (problem,) = cluster_problems(_beam(*DATAFLOW), "minio://bucket")
    assert "--pipeline-root gs://" in problem
    assert cluster_problems(_beam(*DATAFLOW), "gs://bucket") == []
    assert cluster_problems(_beam("runner=multi_processing"), "minio://bucket") == []
