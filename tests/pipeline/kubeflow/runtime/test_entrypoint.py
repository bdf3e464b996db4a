"""Exit statuses of a step's container."""

import errno

import pytest

from pipeline.config.config import load_config
from pipeline.graph.beam_options import beam_pipeline_args, file_writer_args
from pipeline.kubeflow.runtime.entrypoint import explain, remote_schemes
from schemas.documents.data_gate import DataGateStopped
from schemas.errors import InputError


def _wrapped(error):
    """As Beam and TFX wrap what an executor raises."""
    try:
        try:
            raise error
        except Exception as cause:
            raise RuntimeError("while running ...") from cause
    except RuntimeError as wrapper:
        return wrapper


@pytest.mark.parametrize("wrap", [lambda error: error, _wrapped])
def test_data_gate_stops_with_status_3_and_its_reasons(wrap, capsys):
    stop = DataGateStopped(["patient in two splits", "no positives in test"], {})
    assert explain(wrap(stop)) == 3
    said = capsys.readouterr().err
    assert said == "stopped by DataGate:\n- patient in two splits\n- no positives in test\n"


@pytest.mark.parametrize("wrap", [lambda error: error, _wrapped])
def test_bad_input_is_one_line_and_status_2(wrap, capsys):
    assert explain(wrap(InputError("data.root '/x' does not exist"))) == 2
    assert capsys.readouterr().err == "error: data.root '/x' does not exist\n"


@pytest.mark.parametrize("wrap", [lambda error: error, _wrapped])
@pytest.mark.parametrize(
    "error",
    [
        PermissionError(errno.EACCES, "Permission denied", "/mnt/remedis/pushed"),
        OSError(errno.EROFS, "Read-only file system", "/mnt/remedis/pushed"),
    ],
)
def test_store_that_may_not_be_written_is_no_bug(wrap, error, capsys):
    assert explain(wrap(error)) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: no permission: ")
    assert "/mnt/remedis/pushed" in said


@pytest.mark.slow
def test_refusal_by_tensorflows_file_system_is_no_bug(capsys):
    import tensorflow as tf

    with pytest.raises(tf.errors.OpError) as caught:
        tf.io.gfile.makedirs("/sys/pushed")  # where not even root may
    assert explain(_wrapped(caught.value)) == 2
    assert "/sys/pushed" in capsys.readouterr().err


def test_other_troubles_of_files_are_bugs():
    assert explain(FileNotFoundError(errno.ENOENT, "No such file", "/x")) == 0


def test_a_bug_is_left_to_the_interpreter(capsys):
    assert explain(_wrapped(KeyError("x"))) == 0
    assert capsys.readouterr().err == ""


def test_dataflow_steps_read_cloud_storage_and_others_the_launchers_copies():
    given = {"project": "hospital-1", "region": "europe-west4", "temp_location": "gs://b/t"}
    settings = [f"beam.{name}={value}" for name, value in given.items()]
    beam = load_config(
        preset="demo", overrides=["beam.runner=dataflow", "beam.image=a/b:1", *settings]
    ).beam
    statistics = beam_pipeline_args(beam)
    assert remote_schemes(statistics) == ("gs",)
    # As TFX compiles ingestion: the pipeline's arguments, then its own.
    assert remote_schemes([*statistics, *file_writer_args(beam)]) == ()
    assert remote_schemes([]) == ()
