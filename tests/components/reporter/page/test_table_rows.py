"""Tables arrange what was measured, and lose nothing without saying so."""

from components.model_gate.rules.outcomes import result
from components.reporter.page import table_rows
from components.reporter.page.content import Content
from components.reporter.page.tfma_slices import SliceMetric
from schemas.documents.data_gate import DomainShift
from schemas.documents.gate import Rule
from schemas.documents.ingest import Flagged, FlaggedBy
from tests.made_documents import data_gate_report, gate_verdict, ingest_report, interval


def content(**parts) -> Content:
    return Content(verdict="evaluated", reasons=(), run_settings={}, versions={}, **parts)


def test_results_put_targets_below_their_mean() -> None:
    names = ("ece", "auc/b", "sensitivity", "auc/a", "auc", "novel")
    gate = gate_verdict(metrics={"shifted": dict.fromkeys(names, interval(0.5))})
    rows = table_rows.results(content(gate=gate))
    assert [(row.name, row.target) for row in rows] == [
        ("AUC", ""),
        ("AUC", "b"),
        ("AUC", "a"),
        ("Sensitivity", ""),
        ("Calibration error (ECE)", ""),
        ("Novel", ""),
    ]
    assert rows[1].by_domain["in_distribution"] is None
    assert rows[1].by_domain["shifted"].value == 0.5


def test_rules_step_back_only_when_they_cannot_matter() -> None:
    def rule(name: str, status: str) -> Rule:
        return result(name, "shifted", "auc", None, None, status, "")

    given = [
        rule("auc floor", "pass"),
        rule("subgroup floor", "pass"),
        rule("subgroup floor", "pass"),
        rule("subgroup floor", "fail"),
        rule("ece ceiling", "not_required"),
        rule("gap ceiling", "not_enough_data"),
    ]
    found = table_rows.rules(content(gate=gate_verdict(rules=given)))
    assert [(r.name, r.status) for r in found.judged] == [
        ("auc floor", "pass"),
        ("subgroup floor", "fail"),
        ("gap ceiling", "not_enough_data"),
    ]
    assert found.groups_passed == 2
    assert [r.name for r in found.not_required] == ["ece ceiling"]


def slice_rows(*rows: tuple[str, str, str, float]) -> tuple[SliceMetric, ...]:
    return tuple(SliceMetric(*row) for row in rows)


def test_slices_have_a_line_for_each_target_and_those_by_label_come_last() -> None:
    rows = slice_rows(
        ("site = a", "edema", "auc", 0.8),
        ("overall", "edema", "auc", 0.9),
        ("overall", "edema", "sensitivity", 0.7),
        ("shifted, label/edema = 1.0", "edema", "sensitivity", 0.6),
        ("overall", "edema", "mean_label", 0.5),
        ("overall", "", "auc", 0.9),
    )
    table = table_rows.slices(content(slices=rows))
    assert table.metrics == ["auc", "sensitivity"]
    assert table.with_target is False
    assert table.slices == [
        ("overall", [("edema", {"auc": 0.9, "sensitivity": 0.7})]),
        ("site = a", [("edema", {"auc": 0.8})]),
        ("shifted, label/edema = 1.0", [("edema", {"sensitivity": 0.6})]),
    ]


def test_the_mean_over_several_targets_stays() -> None:
    rows = slice_rows(
        ("overall", "a", "auc", 0.8), ("overall", "b", "auc", 0.6), ("overall", "", "auc", 0.7)
    )
    table = table_rows.slices(content(slices=rows))
    assert table.with_target is True
    assert ("", {"auc": 0.7}) in table.slices[0][1]


def test_slices_that_do_not_fit_are_counted() -> None:
    rows = slice_rows(*((f"site = {i}", "t", "auc", 0.5) for i in range(table_rows.MAX_SLICES + 7)))
    table = table_rows.slices(content(slices=rows))
    assert len(table.slices) == table_rows.MAX_SLICES
    assert table.left_out == 7


def test_quarantine_names_the_first_rows_of_each_reason() -> None:
    ingest = ingest_report({}, quarantined=dict.fromkeys(range(30), "blank") | {30: "huge"})
    rows = table_rows.quarantine(content(ingest=ingest))
    assert [(row.reason, row.images, row.more) for row in rows] == [
        ("blank", 30, 30 - table_rows.MAX_ROWS_NAMED),
        ("huge", 1, 0),
    ]
    assert rows[0].rows == list(range(table_rows.MAX_ROWS_NAMED))


def test_flags_name_the_first_rows_of_images_that_were_kept() -> None:
    flagged = [Flagged(row=row, image_id="i", flag="constant") for row in range(30)]
    flagged.append(Flagged(row=7, image_id="i", flag="range_guessed"))
    ingest = ingest_report({}).model_copy(
        update={"flags": {"constant": 30, "range_guessed": 400}, "flagged": flagged}
    )
    rows = table_rows.flags(content(ingest=ingest))
    assert [(row.reason, row.images, row.more) for row in rows] == [
        ("range_guessed", 400, 399),
        ("constant", 30, 30 - table_rows.MAX_ROWS_NAMED),
    ]
    assert rows[0].rows == [7]


def test_labels_and_sites_are_counted_by_split() -> None:
    kept = {"train": [0.0, 0.0, 0.0, 1.0, 1.0], "test": [0.0, 1.0], "shifted": [0.0]}
    ingest = ingest_report(kept, sites={"train": "b", "test": "a", "shifted": "c"})
    whole = content(ingest=ingest)
    # In the order unlabeled, train, validation, test, shifted.
    assert table_rows.labels(whole) == [
        ("opacity", "0", [0, 3, 0, 1, 1]),
        ("opacity", "1", [0, 2, 0, 1, 0]),
    ]
    assert table_rows.sites(whole) == (
        [("b", [0, 5, 0, 0, 0]), ("a", [0, 0, 0, 2, 0]), ("c", [0, 0, 0, 0, 1])],
        0,
    )


def test_quality_by_site_and_class_as_fractions() -> None:
    report = ingest_report(
        {"train": [0.0] * 30 + [1.0] * 10, "test": [0.0] * 20},
        sites={"train": "north", "test": "south"},
    )
    by = {
        "blurred": FlaggedBy(sites={"north": 10, "south": 10}, classes={"opacity=1": 5}),
        "blank": FlaggedBy(sites={"north": 1}, classes={}),
        "range_guessed": FlaggedBy(sites={"north": 40}, classes={}),
    }
    flags = {"blank": 1, "blurred": 20, "range_guessed": 40}
    report = report.model_copy(update={"flags": flags, "flagged_by": by})
    blurred, blank = table_rows.quality(content(ingest=report))
    assert (blurred.flag, blurred.images) == ("blurred", 20)
    assert blurred.sites == [("south", 10, 0.5), ("north", 10, 0.25)]
    assert blurred.classes == [("opacity=1", 5, 0.5)]
    assert (blank.flag, blank.sites) == ("blank", [("north", 1, 0.025)])
    assert table_rows.quality(content()) == []


def test_shift_sets_domains_side_by_side() -> None:
    statistics = {
        "prevalence in_distribution": 0.2,
        "prevalence shifted": 0.5,
        "prevalence difference": 0.3,
    }
    entries = [
        DomainShift(feature="edema", statistic=name, value=value)
        for name, value in statistics.items()
    ]
    gate = data_gate_report([], drift=entries)
    (row,) = table_rows.domain_shift(content(data_gate=gate))
    assert (row.feature, row.quantity) == ("edema", "prevalence")
    assert row.by_domain == {"in_distribution": 0.2, "shifted": 0.5}
    assert row.distances == [("prevalence difference", 0.3)]
