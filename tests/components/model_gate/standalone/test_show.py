"""A verdict that was written is shown as the judge would have shown it."""

import pytest

from components.model_gate.__main__ import main
from components.model_gate.standalone import formats
from tests.components.model_gate.standalone.test_formats import document


@pytest.mark.parametrize("outcome", ["refused", "inconclusive", "blessed"])
@pytest.mark.parametrize("form", formats.FORMATS)
def test_each_format_is_that_of_the_judge(outcome, form, tmp_path, capsys):
    verdict = document(outcome)
    path = tmp_path / "verdict.json"
    path.write_text(formats.as_json(verdict))
    assert main(["show", str(path), "--format", form]) == 0
    assert capsys.readouterr().out == formats.FORMATS[form](verdict)


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"version": 2}', None])
def test_what_is_no_verdict_is_bad_input(content, tmp_path, capsys):
    path = tmp_path / "verdict.json"
    if content is not None:
        path.write_text(content)
    assert main(["show", str(path)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: ")
    assert "verdict.json" in shown.err
