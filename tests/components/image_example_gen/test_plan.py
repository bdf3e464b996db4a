"""Units of work: every row once, in shards of a random mixture, without identities."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import io
import pickle

import numpy as np
import pytest
from PIL import Image

from components.image_example_gen.decoding.images import Picture, Rejected
from components.image_example_gen.plan import plan_units
from components.image_example_gen.privacy import IdMapping, Pseudonyms
from components.image_example_gen.rows.row import Row
from components.image_example_gen.settings import DataSettings
from schemas import features


class Listed:
    """A source of which only the rows matter."""

    def __init__(self, rows):
        self._rows = rows

    def rows(self):
        return iter(self._rows)

    def load(self, image, max_pixels):
        return Picture(np.zeros((20, 20), np.uint8))


def rows(count: int) -> list[Row]:
    """Rows of two sites, the second shifted, three images a patient."""
    return [
        Row(
            i + 1,
            f"smith/{i}.png",
            f"smith-{i // 3}",
            "s" if i % 2 else "t",
            "in_distribution" if i < count * 0.8 else "shifted",
            None,
            (float(i % 2), None),
            ("F",),
            f"study-{i // 2}" if i % 3 else "",
            f"slide-{i // 4}",
        )
        for i in range(count)
    ]


@pytest.fixture(scope="module")
def units():
    data = DataSettings(images_per_shard=100)
    return plan_units(Listed(rows(2000)), data, 0, Pseudonyms(b"k" * 16)).units


def test_every_row_is_planned_once_with_all_it_needs(units):
    planned = {p.number: p for unit in units for p in unit.images()}
    assert len(planned) == sum(len(list(unit.images())) for unit in units) == 2000
    names = Pseudonyms(b"k" * 16)
    splits = {p.number: unit.split for unit in units for p in unit.images()}
    for row in rows(2000):
        p = planned[row.number]
        assert (p.image, p.site, p.domain, p.subgroups) == (
            row.image,
            row.site,
            row.domain,
            row.subgroups,
        )
        assert p.patient_id == names.patient(row.patient_id)
        assert p.image_id == names.image(row.image)
        assert p.study_id == names.study(row.study_id)
        assert bool(p.study_id) is bool(row.study_id)
        assert p.slide_id == names.slide(row.slide_id)
        masked = splits[row.number] == features.UNLABELED
        assert p.labels == ((None, None) if masked else row.labels)


def test_shards_are_about_as_large_as_asked_and_mixed(units):
    sizes = collections.Counter()
    for unit in units:
        images = list(unit.images())
        sizes[unit.split] += len(images)
        assert 50 < len(images) < 150
        spread = [p.number for p in images if p.domain == "in_distribution"]
        if spread:
            assert min(spread) < 300
            assert max(spread) > 1300
    for split, size in sizes.items():
        shards = [u for u in units if u.split == split]
        assert len(shards) == -(-size // 100)
        assert sorted(u.shard for u in shards) == list(range(len(shards)))
        assert {u.shards for u in shards} == {len(shards)}


def test_empty_splits_have_one_empty_unit():
    chosen = [row for row in rows(50) if row.domain == "shifted"]
    units = plan_units(Listed(chosen), DataSettings(), 0, Pseudonyms(b"k" * 16)).units
    assert {u.split: len(list(u.images())) for u in units} == {
        "unlabeled": 0, "train": 0, "validation": 0, "test": 0, "shifted": len(chosen)
    }  # fmt: skip


def test_the_plan_is_small_and_holds_no_patient_id(units):
    content = pickle.dumps(units)
    assert len(content) / 2000 < 190
    for unit in units:
        for planned in unit.images():
            assert "smith-" not in planned.patient_id
            assert "-" not in planned.study_id + planned.slide_id


def test_shards_of_large_images_hold_fewer():
    """16 of 2,000 rows are stored to see how large they are; the rest is not opened."""
    opened = []

    class Noise(Listed):
        def load(self, image, max_pixels):
            opened.append(image)
            if len(opened) == 1:
                raise Rejected("unreadable", "the first is broken")
            rng = np.random.default_rng(len(opened))
            return Picture(rng.integers(0, 256, (400, 500), np.uint8))

    data = DataSettings(images_per_shard=100, shard_megabytes=1)
    units = plan_units(Noise(rows(2000)), data, 0, Pseudonyms(b"k" * 16)).units
    assert len(opened) == 16
    # Noise can't be compressed: 200 kB an image, so four or five of them are a megabyte.
    largest = max(len(list(unit.images())) for unit in units)
    shards = sum(unit.shards for unit in units if not unit.shard)
    assert 2000 / 5 <= shards <= 2000 / 4 + 5
    assert largest < 20


def test_the_mapping_gets_every_identity(tmp_path):
    with IdMapping(str(tmp_path / "key")) as mapping:
        plan_units(Listed(rows(30)), DataSettings(), 0, Pseudonyms(b"k" * 16), mapping)
    lines = (tmp_path / "key.mapping.csv").read_text().splitlines()[1:]
    kinds = collections.Counter(line.split(",")[0] for line in lines)
    studies = {r.study_id for r in rows(30)} - {""}
    assert kinds == {"image": 30, "patient": 10, "study": len(studies), "slide": 8}
    assert f"patient,smith-0,{Pseudonyms(b'k' * 16).patient('smith-0')}" in lines


def test_rows_are_dealt_to_shards_by_the_published_hash(units):
    """Of seed, reference and number: the number tells rows of one image apart."""
    for unit in units:
        for planned in unit.images():
            text = "\x1f".join(("0", "shard", planned.image, str(planned.number))).encode()
            place = int(hashlib.blake2b(text, digest_size=8).hexdigest(), 16) / 2**64
            assert unit.shard == int(place * unit.shards)


@pytest.mark.parametrize(
    "stored",
    [{"encoding": "png"}, {"encoding": "jpeg", "jpeg_quality": 95}, {"stored_size": 100}],
    ids=lambda stored: "-".join(map(str, stored.values())),
)
def test_the_size_of_shards_follows_how_images_are_stored(stored):
    pixels = np.random.default_rng(0).integers(0, 256, (400, 500), np.uint8)

    class Noise(Listed):
        def load(self, image, max_pixels):
            return Picture(pixels)

    data = DataSettings(images_per_shard=100, shard_megabytes=1, **stored)
    units = plan_units(Noise(rows(2000)), data, 0, Pseudonyms(b"k" * 16)).units
    image = Image.fromarray(pixels)
    if "stored_size" in stored:
        image = image.resize((100, 80))  # one byte a pixel, whatever the resampling
    file = io.BytesIO()
    image.save(file, data.encoding, **({"quality": 95} if data.encoding == "jpeg" else {}))
    expected = min(100, 1e6 / len(file.getvalue()))
    shards = sum(unit.shards for unit in units if not unit.shard)
    assert shards == pytest.approx(2000 / expected, rel=0.3)


def test_the_mapping_is_of_the_pseudonyms_that_are_planned(tmp_path):
    with IdMapping(str(tmp_path / "key")) as mapping:
        units = plan_units(
            Listed(rows(30)), DataSettings(), 0, Pseudonyms(b"k" * 16), mapping
        ).units
    lines = (tmp_path / "key.mapping.csv").read_text().splitlines()[1:]
    by_number = {planned.number: planned for unit in units for planned in unit.images()}
    for row in rows(30):
        planned = by_number[row.number]
        for kind in ("image", "patient", "study", "slide"):
            given = row.image if kind == "image" else getattr(row, f"{kind}_id")
            if given:
                assert f"{kind},{given},{getattr(planned, f'{kind}_id')}" in lines


def test_a_patient_that_nobody_knows_is_planned_as_such():
    given = [dataclasses.replace(row, own_patient=row.number % 3 == 0) for row in rows(30)]
    units, _ = plan_units(Listed(given), DataSettings(), 0, Pseudonyms(b"k" * 16))
    planned = {one.number: one.own_patient for unit in units for one in unit.images()}
    assert planned == {row.number: row.number % 3 == 0 for row in given}
