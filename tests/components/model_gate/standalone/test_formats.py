"""Each format escapes what a name could forge in it."""

import re
from xml.etree import ElementTree

import pytest

from components.model_gate.rules.outcomes import result
from components.model_gate.standalone import formats
from schemas.documents.gate import JudgedTable, StandaloneVerdict
from tests.made_documents import gate_verdict, interval

SITE = "a\nblessed\n::error::x|<b>`@all` [l](http://e) 100%\x1b[2J"


def document(outcome: str = "refused", policy: str = "own.yaml") -> StandaloneVerdict:
    message = f"shifted, site={SITE} auc: upper bound 0.4 is below the floor 0.6"
    rules = [
        result("auc floor", "shifted", "auc", interval(0.9), 0.7, "pass", "fine"),
        result(
            "subgroup floor", f"shifted, site={SITE}", "auc", interval(0.4), 0.6, "fail", message
        ),
        result("non-inferiority", "", "", None, None, "not_required", "no other model"),
        result("cal", "shifted", "c", interval(0.4), 0.6, "inconclusive", "unclear", "warn"),
    ]
    verdict = gate_verdict(False, [message], rules)
    judged = JudgedTable(
        rows=1,
        patients=1,
        threshold=0.5,
        thresholds={"label": 0.5},
        threshold_chosen="given",
        subgroups=(),
        ignored_columns=(),
    )
    changed = {"outcome": outcome, "warnings": (message,)}
    return StandaloneVerdict(**dict(verdict) | changed, judged=judged, policy=policy)


def test_junit_counts_what_keeps_the_model_back():
    suite = ElementTree.fromstring(formats.as_junit(document()))
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4",
        "failures": "1",
        "errors": "0",
        "skipped": "1",
    }
    (failure,) = suite.iter("failure")
    assert failure.get("type") == "fail"
    assert "site=a\\nblessed\\n::error::x|<b>" in failure.get("message")
    assert suite.find("system-err").text == "NOT blessed"
    assert all(text.isprintable() for text in re.split(r"\n", formats.as_junit(document())))


def test_github_has_a_line_for_each_command_and_no_other():
    lines = formats.as_github(document()).splitlines()
    assert [line.split(" ")[0] for line in lines] == ["::error", "::warning", "::error"]
    assert lines[-1] == "::error title=model gate::NOT blessed"
    assert "100%25" in lines[0]
    title = lines[0].removeprefix("::error title=").partition("::")[0]
    assert ":" not in title
    assert "," not in title
    blessed = document().model_copy(update={"outcome": "blessed", "blessed": True, "rules": ()})
    assert formats.as_github(blessed).splitlines()[-1] == "::notice title=model gate::blessed"


def test_markdown_shows_text_as_text():
    text = formats.as_markdown(document("inconclusive"))
    assert text.startswith("## Model gate: NOT blessed: inconclusive")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 4
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 5 for row in rows)
    assert not re.search(r"<b>|(?<!\\)`|@all|(?<!\\)\[|http://", text)


@pytest.mark.parametrize("name", formats.FORMATS)
def test_no_format_breaks_a_line_at_a_name(name):
    lines = formats.FORMATS[name](document()).splitlines()
    assert not [line for line in lines if line.strip() in ("blessed", "::error::x")]
    assert not [line for line in lines if "\x1b" in line]


def test_unknown_formats_are_refused(capsys):
    from components.model_gate.__main__ import main

    with pytest.raises(SystemExit):
        main(["--predictions", "x.csv", "--format", "yaml"])
    assert "invalid choice: 'yaml'" in capsys.readouterr().err


@pytest.mark.parametrize("name", formats.FORMATS)
def test_every_format_says_what_the_smoke_policy_is_worth(name):
    for policy, told in (("smoke", True), ("clinical", False), ("smoke.yaml", False)):
        text = formats.FORMATS[name](document("blessed", policy))
        if name == "json":
            assert f'"policy": "{policy}"' in text
        else:
            assert ("passing it is no clinical evidence" in text) == told
