"""The page: self-contained, escaped, and drawn to scale."""

import re
from html.parser import HTMLParser

import pytest

from components.model_gate.monitoring import page
from schemas.documents.monitoring import Shares
from tests.components.model_gate.monitoring.made_tables import predictions


class Balanced(HTMLParser):
    """Fails on a tag that closes another than the one that is open."""

    VOID = ("meta", "rect", "path", "circle")

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


@pytest.fixture
def shown(monitor, tmp_path):
    def render(table, *arguments):
        status, report, _ = monitor(table, "--page", str(tmp_path / "page.html"), *arguments)
        return status, report, (tmp_path / "page.html").read_text()

    return render


def test_everything_found_is_on_the_page(shown):
    table = predictions(80, 1)
    shown(predictions(80, 2).drop(columns="label"))
    status, report, text = shown(table)
    assert (status, "<h1>No alarm</h1>" in text) == (0, True)
    checked = Balanced()
    checked.feed(text)
    assert checked.open == []
    for one in report["measured"]:
        assert f"{one['value']:.3f}".replace("-", "\u2212") in text
    for one in report["estimated"]:
        assert f"{one['value']:.3f}" in text
    # A drawing for each column, and one of the looks.
    assert text.count("<svg") == len(report["drift"]) + 1
    assert len(re.findall(r"<td class=\"n\">[12]</td><td>20", text)) == 2
    assert report["estimated"][0]["assumes"] in text


def test_alarms_and_too_few_data(shown):
    status, report, text = shown(predictions(80, 3, log_odds=-2.0).drop(columns="label"))
    assert (status, "<h1>Alarm</h1>" in text) == (4, True)
    assert "doubtful" in text
    assert "The table has no labels." in text
    status, report, text = shown(predictions(9, 4).drop(columns="label"))
    assert (status, "<h1>Too few data to say anything</h1>" in text) == (5, True)
    assert report["look"] is None


def test_nothing_is_loaded_and_nothing_of_a_table_is_markup(shown):
    table = predictions(80, 5)
    table["site"] = table["site"].replace({"north": "<script>alert(1)</script>\x1b[2J"})
    table = table.rename(columns={"statistic/mean": 'statistic/"><img src=x onerror=y>'})
    _, _, text = shown(table)
    assert "<script" not in text
    assert "<img" not in text
    assert "\x1b" not in text
    assert "&lt;script&gt;" in text
    assert not re.search(r"(src|href)=|url\(|@import", text.replace("img src=x", ""))


def test_bars_are_shares_relative_to_the_largest():
    drawn = page.bars(Shares(edges=(0.0,), reference=(0.5, 0.5), new=(0.2, 0.8)))
    assert [one.left for one in drawn] == [0, page.WIDTH / 2]
    assert [one.new / page.HEIGHT for one in drawn] == pytest.approx([0.25, 1])
    assert [one.reference / page.HEIGHT for one in drawn] == pytest.approx([0.625, 0.625])
