"""Numbered folders of data: the newest is read, named in the report and part of the fingerprint."""

import pytest

from components.image_example_gen.settings import DataSettings
from components.image_example_gen.sources.registry import check_source, data_fingerprint
from components.image_example_gen.sources.spans import newest, resolved
from schemas.errors import InputError
from trainer_modules.settings import TaskSettings

TASK = TaskSettings(labels=("opacity",))


def _folders(root, *names):
    for name in names:
        (root / name).mkdir(parents=True)
    return root


@pytest.mark.parametrize(
    ("folders", "pattern", "expected"),
    [
        # By number, not by name.
        (("v2", "v10", "v9"), "v{SPAN}", "v10"),
        (("20261101", "20261201"), "{SPAN}", "20261201"),
        # A version counts within its span alone.
        (("s1/v9", "s2/v1", "s2/v3"), "s{SPAN}/v{VERSION}", "s2/v3"),
        (("v9/s1", "v1/s2"), "v{VERSION}/s{SPAN}", "v1/s2"),
        (("s2-v1", "s1-v7"), "s{SPAN}-v{VERSION}", "s2-v1"),
        # Half-copied and foreign folders have other names.
        (("v1", "v2.part", "old", "xv3"), "v{SPAN}", "v1"),
        (("v1/images", "v2"), "v{SPAN}/images", "v1/images"),
        (("a.b1", "axb2"), "a.b{SPAN}", "a.b1"),
    ],
)
def test_newest_folder(tmp_path, folders, pattern, expected):
    _folders(tmp_path, *folders)
    assert newest(f"{tmp_path}/{pattern}") == str(tmp_path / expected)


def test_relative_pattern(tmp_path, monkeypatch):
    monkeypatch.chdir(_folders(tmp_path, "data/3"))
    assert newest("data/{SPAN}") == "./data/3"


def test_files_are_no_spans(tmp_path):
    _folders(tmp_path, "v1")
    (tmp_path / "v2").touch()
    assert newest(f"{tmp_path}/v{{SPAN}}") == str(tmp_path / "v1")


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("v{SPAN}", "no folder matches it"),
        ("missing/v{SPAN}", "no folder matches it"),
        ("{SPAN}/{SPAN}", "give {SPAN} once"),
        ("v{VERSION}", "give {SPAN} once"),
    ],
)
def test_pattern_without_a_folder_is_refused(tmp_path, pattern, said):
    with pytest.raises(InputError) as caught:
        newest(f"{tmp_path}/{pattern}")
    assert said in str(caught.value)
    assert pattern in str(caught.value)


def test_every_part_of_a_combination_is_resolved(tmp_path):
    _folders(tmp_path, "a1", "a2", "b7")
    roots = [f"{tmp_path}/{name}{{SPAN}}" for name in "ab"]
    parts = [
        {"source": "manifest", "root": root, "role": role}
        for root, role in zip(roots, ("in_distribution", "shifted"), strict=True)
    ]
    data = resolved(DataSettings(source="combined", parts=parts))
    assert [part.root for part in data.parts] == [str(tmp_path / "a2"), str(tmp_path / "b7")]


def _manifest(folder, labels):
    folder.mkdir()
    (folder / "a.png").touch()
    rows = [f"a.png,p{n},here,in_distribution,{label}" for n, label in enumerate(labels)]
    text = "\n".join(["image,patient_id,site,domain,opacity", *rows])
    (folder / "manifest.csv").write_text(text + "\n")


def test_new_span_is_a_new_fingerprint_even_with_the_same_content(tmp_path):
    data = DataSettings(source="manifest", root=f"{tmp_path}/v{{SPAN}}")
    with pytest.raises(InputError, match="no folder matches it"):
        check_source(data, TASK)
    _manifest(tmp_path / "v1", [0, 1])
    check_source(data, TASK)
    first = data_fingerprint(data, TASK)
    assert first == data_fingerprint(data, TASK)
    _manifest(tmp_path / "v2", [0, 1])
    assert data_fingerprint(data, TASK) != first
