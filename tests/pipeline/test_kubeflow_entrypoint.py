"""Exit statuses of a step's container."""

import pytest

from components.data_gate.errors import DataGateStopped
from pipeline.kubeflow_entrypoint import explain
from trainer_modules.errors import InputError


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


def test_a_bug_is_left_to_the_interpreter(capsys):
    assert explain(_wrapped(KeyError("x"))) == 0
    assert capsys.readouterr().err == ""
