"""Everything that a run refuses, and that nothing is touched then: not one file, not one time."""

import fcntl
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import local_runner
from pipeline.config.config import dump_config, load_config
from pipeline.config.curated_schema import REPOSITORY
from tests.pipeline.local.snapshot import snapshot

AS_ROOT = os.geteuid() == 0


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A home, data, a run of ours, folders of the user, and strange things; run from there."""
    home = tmp_path / "home"
    for folder in ("home/work", "data/images", "mine/report", "weights", "empty", "srv"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "mine/report/thesis.txt").write_text("three years")
    (tmp_path / "weights/saved_model.pb").write_bytes(b"w")
    (tmp_path / "file").write_text("a file")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "link-to-mine").symlink_to(tmp_path / "mine")
    rows = ["image,patient_id,domain,opacity"]
    for number in range(4):
        pixels = np.full((40, 40), number, np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"data/images/{number}.png")
        rows.append(f"images/{number}.png,p{number},in_distribution,{number % 2}")
    (tmp_path / "data/manifest.csv").write_text("\n".join(rows) + "\n")
    run = tmp_path / "run"
    (run / "report").mkdir(parents=True)
    (run / "report/index.html").write_text("last week's")
    marker = {"version": 1, "pipeline": "demo", "created": "2026-01-01", "adopted": False}
    (run / ".remedis-run").write_text(json.dumps(marker))
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged/.remedis-run").write_text('{"version": 1, "pipe')
    (tmp_path / "newer").mkdir()
    (tmp_path / "newer/.remedis-run").write_text('{"version": 99}')
    (tmp_path / "passed/last").mkdir(parents=True)
    (tmp_path / "passed/last/holiday.jpg").write_bytes(b"sea")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("REMEDIS_ID_KEY", "a key for the tests of checks")
    monkeypatch.chdir(tmp_path)
    return tmp_path


MANIFEST = (
    "--set=data.source=manifest",
    "--set=data.root={0}/data",
    "--set=task.labels=[opacity]",
    "--set=data.subgroups=[]",
    "--set=data.subgroup_bins={{}}",
)
OUT = "--output={0}/run"
REFUSED = {
    # The output folder.
    "root": (["--output=/"], "the root of the file system"),
    "home": (["--output={0}/home"], "is the home folder"),
    "home by its short name": (["--output=~"], "is the home folder"),
    "parent of home": (["--output={0}"], "holds the home folder"),
    "nobody's home": (["--output=~no-such-user/run"], "not a usable path"),
    "checkout": ([f"--output={REPOSITORY}"], "the folder of this program"),
    "parent of the checkout": ([f"--output={REPOSITORY.parent}"], "folder of this program"),
    "a file": (["--output={0}/file"], "'{0}/file' is not a folder"),
    "below a file": (["--output={0}/file/run"], "'{0}/file' is not a folder"),
    "a pipe": (["--output={0}/fifo"], "is not a folder"),
    "a device": (["--output=/dev/null"], "is not a folder"),
    "loop": (["--output={0}/loop"], "symbolic links"),
    "below a loop": (["--output={0}/loop/run"], "symbolic links"),
    "dangling link": (["--output={0}/dangling"], "link to '{0}/nowhere', which does not exist"),
    "below a dangling link": (["--output={0}/dangling/run"], "which does not exist"),
    "name too long": (["--output={0}/new/" + "x" * 300], "not a usable path: File name too long"),
    "not a name": (["--output={0}/a\0b"], "not a usable path"),
    "folder of the user": (["--output={0}/mine"], "holds 1 files or folders (report), and no run"),
    "link to it": (["--output={0}/link-to-mine"], "and no run made it"),
    "folder of the user, for a study": (
        ["--output={0}/mine", "--study=label_efficiency"],
        "and no run made it",
    ),
    "damaged marker": (["--output={0}/damaged"], ".remedis-run can't be read"),
    "marker of a later version": (["--output={0}/newer"], ".remedis-run can't be read"),
    # Data and other places beside it.
    "data root": (["--output={0}/data", *MANIFEST], "(images; manifest.csv), and no run made it"),
    "data root in a run": (
        [OUT, "--set=data.source=manifest", "--set=data.root={0}/run"],
        "is or holds data.root",
    ),
    "in the data root": (["--output={0}/data/run", *MANIFEST], "results would mix with images"),
    "around the data root": (
        [OUT, "--set=data.source=manifest", "--set=data.root={0}/run/report"],
        "is or holds data.root",
    ),
    "upstream's data root": (
        [
            "--output={0}/data/run",
            "--set=upstream.enabled=true",
            "--set=upstream.task.labels=[opacity]",
            "--set=upstream.data.source=manifest",
            "--set=upstream.data.root={0}/data",
        ],
        "is in upstream.data.root",
    ),
    "weights": (
        [
            "--output={0}/weights/run",
            "--set=model.init.source=encoder",
            "--set=model.init.path={0}/weights",
        ],
        "in the folder of weights",
    ),
    "push to the output": ([OUT, "--set=push.destination={0}/run"], "is the output folder"),
    "push into the report": (
        [OUT, "--set=push.destination={0}/run/report/x"],
        "the run's own folder 'report'",
    ),
    "output among pushed models": (
        ["--output={0}/srv/classifier/9", "--set=push.destination={0}/srv"],
        "is among the models of push.destination",
    ),
    "push to a file": ([OUT, "--set=push.destination={0}/file"], "push.destination '{0}/file'"),
    "push to a loop": ([OUT, "--set=push.destination={0}/loop"], "push.destination '{0}/loop'"),
    "push to the root": ([OUT, "--set=push.destination=/"], "push.destination '/' is the root"),
    "push among images": (
        [OUT, *MANIFEST, "--set=push.destination={0}/data/models"],
        "push.destination '{0}/data/models' is in data.root",
    ),
    "statistics over a user's folder": (
        [OUT, "--set=data_gate.passed_data={0}/passed"],
        "would replace '{0}/passed/last'",
    ),
    "statistics among images": (
        [OUT, *MANIFEST, "--set=data_gate.passed_data={0}/data/kept"],
        "is in data.root",
    ),
    "ledger below a file": (
        [OUT, "--set=gate.ledger={0}/file/ledger.jsonl"],
        "folder of gate.ledger '{0}/file'",
    ),
    # Arguments and node names.
    "no such preset": ([OUT, "--preset=dem"], "preset 'dem' does not exist"),
    "no such configuration": ([OUT, "--config={0}/none.yaml"], "none.yaml' can't be read"),
    "no such study": ([OUT, "--study=label_efficency"], "nearest valid name: 'label_efficiency'"),
    "no such node": ([OUT, "--to-node=Typo"], "node 'Typo' does not exist"),
    "nearly a node": ([OUT, "--from-node=Pretrainr"], "nearest valid name: 'Pretrainer'"),
    "node of the study": ([OUT, "--to-node=StudyReporter"], "does not exist"),
    "node of the release, in a study": (
        [OUT, "--study=label_efficiency", "--to-node=Finetuner"],
        "node 'Finetuner' does not exist",
    ),
    "node that is off": ([OUT, "--evaluate-only", "--to-node=Pusher"], "'Pusher' does not exist"),
    "nothing to reuse": (["--output={0}/empty", "--from-node=Finetuner"], "run once without"),
    # Settings.
    "no such setting": ([OUT, "--set=gate.min_auk=0.9"], "gate.min_auk"),
    "no such value": ([OUT, "--set=seed=many"], "setting 'seed'"),
    "study without arms": (
        [OUT, "--study=label_efficiency", "--set=study.arms=[remedis,bit]"],
        "study.arms",
    ),
    "study of another recipe": (
        [OUT, "--study=label_efficiency", "--set=finetune.recipe=bit_hyperrule"],
        "finetune.recipe",
    ),
    "beam without its jar": (
        [
            OUT,
            "--set=beam.runner=flink",
            "--set=beam.master=h:1",
            "--set=beam.job_server_jar={0}/none.jar",
            "--set=beam.worker_pool=h:2",
        ],
        "beam.job_server_jar",
    ),
    "no such schema": ([OUT, "--set=curated_schema={0}/none.pbtxt"], "curated_schema"),
    "no data": (
        [OUT, "--set=data.source=manifest", "--set=data.root={0}/none"],
        "data.root",
    ),
    "no span": (
        [OUT, "--set=data.source=manifest", "--set=data.root={0}/span-{{SPAN}}"],
        "no folder matches it",
    ),
    "no key": ([OUT, *MANIFEST, "--set=data.id_key_file={0}/none.key"], "none.key' cannot be read"),
    "short key": ([OUT, *MANIFEST, "--set=data.id_key_file={0}/file"], "holds 6 characters"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_touches_nothing(name, place, capsys):
    arguments, message = REFUSED[name]
    before = snapshot(place)
    assert local_runner.main([one.format(place) for one in arguments]) == 2
    assert snapshot(place) == before
    said = capsys.readouterr().err
    assert message.format(place) in said
    assert said.startswith("error: ")
    assert "Traceback" not in said
    # One line; settings get one each.
    assert said.count("\n") == 1


def test_nothing_at_all_is_refused_with_help(place, capsys):
    before = snapshot(place)
    assert local_runner.main([]) == 2
    assert snapshot(place) == before


@pytest.mark.parametrize("given", [["--frm-node", "X"], ["--output"], ["--preset=demo", "rest"]])
def test_arguments_that_do_not_exist(given, place):
    before = snapshot(place)
    with pytest.raises(SystemExit) as ended:
        local_runner.main(given)
    assert ended.value.code == 2
    assert snapshot(place) == before


def test_a_folder_in_use_is_refused_by_the_name_of_the_process(place, capsys):
    (place / "run/.lock").write_text('{"pid": 4711, "host": "node-3", "since": "this morning"}\n')
    with (place / "run/.lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = snapshot(place)
        assert local_runner.main([f"--output={place}/run"]) == 2
        assert snapshot(place) == before
    said = capsys.readouterr().err
    assert "in use by another run (process 4711 on node-3, since this morning)" in said


@pytest.mark.skipif(AS_ROOT, reason="root can write everywhere")
@pytest.mark.parametrize("closed", ["empty", "run", "run/.remedis-run", "run/report"])
def test_no_permission_to_write(closed, place, capsys):
    (place / closed).chmod(0o500)
    before = snapshot(place)
    output = place / closed.partition("/")[0]
    assert local_runner.main([f"--output={output}"]) == 2
    assert snapshot(place) == before
    said = capsys.readouterr().err
    assert str(place / closed) in said
    assert "no permission" in said


def test_a_read_only_file_system(place, capsys):
    # /proc takes no folder, not even from root.
    assert local_runner.main(["--output=/proc/run"]) == 2
    said = capsys.readouterr().err
    assert "--output '/proc/run' can't be" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "output",
    ["empty", "new/deep/run", "run", "link-to-new", "home/work/run", "ours", "study", "disk"],
)
def test_what_a_run_may_have(output, place):
    from pipeline.local.checks import check_run

    (place / "elsewhere").mkdir()
    (place / "link-to-new").symlink_to(place / "elsewhere")
    config = load_config(preset="demo")
    # Folders of versions without a marker, of a run and of a study alone.
    for folder, where in (("ours", ""), ("study", "label_efficiency")):
        (place / folder / where).mkdir(parents=True)
        (place / folder / where / "config.yaml").write_text(dump_config(config))
        (place / folder / "metadata.sqlite").write_bytes(b"SQLite format 3\0" + bytes(80))
        (place / folder / "report").mkdir()
    # What formatting a disk leaves, and a run that was killed before it marked the folder.
    (place / "disk/lost+found").mkdir(parents=True)
    (place / "disk/.lock").touch()
    before = snapshot(place)
    checked = check_run(config, str(place / output))
    assert checked.folder.adopts == (output in ("ours", "study"))
    assert snapshot(place) == before


@pytest.mark.parametrize("wrong", ["metadata", "config", "both"])
def test_what_only_looks_like_a_run_of_an_earlier_version(wrong, place, capsys):
    ours = place / "ours"
    ours.mkdir()
    sqlite = b"not a data base" if wrong != "config" else b"SQLite format 3\0" + bytes(80)
    settings = (
        "title: my notes\n" if wrong != "metadata" else dump_config(load_config(preset="demo"))
    )
    (ours / "metadata.sqlite").write_bytes(sqlite)
    (ours / "config.yaml").write_text(settings)
    assert local_runner.main([f"--output={ours}"]) == 2
    assert "holds 2 files or folders (config.yaml; metadata.sqlite)" in capsys.readouterr().err


def test_a_fresh_run_folder_may_lie_beside_images(place):
    from pipeline.local.checks import check_run

    overrides = [one.format(place).removeprefix("--set=") for one in MANIFEST]
    config = load_config(preset="demo", overrides=overrides)
    assert check_run(config, str(place / "data-run")).folder.root == Path(place / "data-run")
