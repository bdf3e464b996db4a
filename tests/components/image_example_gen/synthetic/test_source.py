"""The synthetic generator: deterministic, consistent, and learnable for the right reason."""

from __future__ import annotations

import collections

import numpy as np
import pytest

from components.image_example_gen.settings import DataSettings, SyntheticSettings
from components.image_example_gen.sources import registry
from components.image_example_gen.synthetic.film import draw
from components.image_example_gen.synthetic.findings import FINDINGS
from schemas.errors import InputError
from trainer_modules.settings import TaskSettings

SIZE = 48
TASK = TaskSettings(labels=("opacity",))


def settings(**changes) -> DataSettings:
    """A small data set."""
    values = {"patients": 60, "shifted_patients": 20, "image_size": SIZE} | changes
    return DataSettings(subgroups=("sex", "age"), synthetic=SyntheticSettings(**values))


def film(finding: int | None = None, patient: int = 5, image: int = 1, **changes) -> np.ndarray:
    """One film with at most one finding."""
    arguments = {"size": SIZE, "sex": "F", "age": 50, "shift": 0.0, "marker": "L"} | changes
    findings = [index == finding for index in range(len(FINDINGS))]
    return draw((1, patient), (1, patient, image), findings=findings, **arguments)


def test_any_worker_draws_the_same_image_in_any_order():
    data = settings()
    one, two = (registry.open_source(data, TASK) for _ in range(2))
    rows = list(one.rows())
    assert rows == list(two.rows())
    chosen = [rows[3], rows[40], rows[-1]]
    first = [one.load(r.image, 10**6).pixels for r in chosen]
    second = [two.load(r.image, 10**6).pixels for r in reversed(chosen)]
    for a, b in zip(first, reversed(second), strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.shape == (SIZE, SIZE)
        assert a.dtype == np.uint8


def test_more_patients_change_no_old_one():
    few = list(registry.open_source(settings(shifted_patients=0), TASK).rows())
    many = list(registry.open_source(settings(patients=90, shifted_patients=0), TASK).rows())
    assert many[: len(few)] == few


def test_patients_are_consistent_and_call_themselves_synthetic():
    rows = list(registry.open_source(settings(images_per_patient=(1, 4)), TASK).rows())
    people = collections.defaultdict(set)
    for r in rows:
        people[r.patient_id].add((r.site, r.domain, r.subgroups))
    assert len(people) == 80
    assert all(len(facts) == 1 for facts in people.values())
    assert {r.site for r in rows} == {"synthetic-a", "synthetic-b"}
    assert {(r.site, r.domain) for r in rows} == {
        ("synthetic-a", "in_distribution"),
        ("synthetic-b", "shifted"),
    }
    images = collections.Counter(r.patient_id for r in rows)
    assert set(images.values()) == {1, 2, 3, 4}
    assert {r.subgroups[0] for r in rows} == {"F", "M"}


def test_prevalence_is_higher_in_the_shifted_hospital():
    rows = list(registry.open_source(settings(patients=800, shifted_patients=800), TASK).rows())
    share = {
        site: np.mean([r.labels[0] for r in rows if r.site == site])
        for site in ("synthetic-a", "synthetic-b")
    }
    # 0.35 and 0.50 of patients, visible in 0.85 of their images; 800 patients each.
    assert abs(share["synthetic-a"] - 0.35 * 0.85) < 0.06
    assert abs(share["synthetic-b"] - 0.50 * 0.85) < 0.06


@pytest.mark.parametrize("finding", range(len(FINDINGS)))
def test_each_finding_changes_the_lungs(finding):
    plain, changed = film().astype(int), film(finding).astype(int)
    difference = np.abs(plain - changed)
    assert difference.max() > 12
    # Shoulders, neck and abdomen stay as they are.
    assert difference[:4].max() == 0
    assert difference[-4:].max() == 0


def test_findings_differ_from_each_other():
    films = [film(finding).astype(int) for finding in range(len(FINDINGS))]
    for i, a in enumerate(films):
        for b in films[:i]:
            assert np.abs(a - b).max() > 10


def test_a_patient_keeps_the_anatomy_and_changes_the_pose():
    halves = [
        [np.mean([film(patient=p, image=i) for i in range(h, 24, 2)], axis=0) for h in (0, 1)]
        for p in range(4)
    ]
    same = np.mean([np.abs(one - two).mean() for one, two in halves])
    other = np.mean(
        [np.abs(halves[p][0] - halves[q][1]).mean() for p in range(4) for q in range(p)]
    )
    assert same < 0.8 * other
    assert np.abs(film(image=1).astype(float) - film(image=2)).mean() > 5


def test_the_scanner_of_the_shifted_hospital_differs():
    near = np.stack([film(patient=p) for p in range(30)]).astype(float)
    far = np.stack([film(patient=p, shift=1.0, marker="R") for p in range(30)]).astype(float)
    assert abs(near.mean() - far.mean()) > 8
    middle = np.s_[:, :, SIZE // 2 - 3 : SIZE // 2 + 3]
    noise = [np.abs(np.diff(films[middle], axis=1)).mean() for films in (near, far)]
    assert noise[1] > 1.2 * noise[0]


@pytest.mark.slow
def test_without_shift_the_hospitals_are_alike():
    data = settings(shift=0.0, shifted_patients=200, patients=200)
    source = registry.open_source(data, TASK)
    rows = list(source.rows())
    sites = ("synthetic-a", "synthetic-b")
    chosen = {site: [r for r in rows if r.site == site][:100] for site in sites}
    means = {
        site: np.mean([source.load(r.image, 10**6).pixels.mean() for r in chosen[site]])
        for site in sites
    }
    assert abs(means["synthetic-a"] - means["synthetic-b"]) < 5


def test_several_labels_and_classes():
    several = TaskSettings(kind="multilabel", labels=("a", "b", "c"))
    rows = list(registry.open_source(settings(), several).rows())
    assert {len(r.labels) for r in rows} == {3}
    assert np.std([np.mean([r.labels[i] for r in rows]) for i in range(3)]) < 0.15
    classes = TaskSettings(kind="multiclass", labels=("kind",), classes=("none", "a", "b"))
    rows = list(registry.open_source(settings(), classes).rows())
    assert {r.labels[0] for r in rows} == {0.0, 1.0, 2.0}


@pytest.mark.parametrize(
    ("data", "task", "words"),
    [
        (
            settings(),
            TaskSettings(kind="multilabel", labels=tuple("abcdefgh")),
            "up to 7 findings; the task has 8",
        ),
        (DataSettings(subgroups=("view",)), TASK, "'view': data.source synthetic has sex, age"),
        (
            DataSettings(subgroups=("sex",), subgroup_bins={"sex": (1,)}),
            TASK,
            "sex is not a number",
        ),
    ],
)
def test_what_the_generator_cannot_draw_is_refused(data, task, words):
    with pytest.raises(InputError, match=words):
        registry.check_source(data, task)


def test_fingerprint_is_of_the_settings():
    prints = {
        registry.data_fingerprint(settings(), TASK),
        registry.data_fingerprint(settings(shift=0.5), TASK),
        registry.data_fingerprint(settings(), TaskSettings(kind="multilabel", labels=("a", "b"))),
    }
    assert len(prints) == 3
    assert registry.data_fingerprint(settings(), TASK) in prints
