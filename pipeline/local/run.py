"""A whole local run: from a configuration to pushed models, a report and an exit status."""

from __future__ import annotations

import dataclasses
import enum
import os
import shutil
import sys
import time
import traceback
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.config.config import RunConfig, dump_config
from pipeline.local.checks import Checked, check_run
from pipeline.local.console import RunConsole, captured_output
from pipeline.local.node_summaries import summarize
from pipeline.local.run_folder import RunFolder
from schemas import features
from schemas.documents.data_gate import DataGateReport, DataGateStopped
from schemas.documents.run import Node, RunReport, Summary
from schemas.errors import InputError, mistake_behind
from trainer_modules.training.tensorflow_start import prefer_onednn

_PUSHERS = {"classifier": "Pusher", "encoder": "EncoderPusher"}
# The report's inputs, by the node and output key that produce them.
_REPORT_PARTS = {
    "ingest_report": ("ImageExampleGen", "ingest_report"),
    "data_gate_report": ("DataGate", "data_gate_report"),
    "upstream_ingest_report": ("UpstreamExampleGen", "ingest_report"),
    "upstream_run": ("Upstream", "model_run"),
    "pretrain_run": ("Pretrainer", "model_run"),
    "finetune_run": ("Finetuner", "model_run"),
    "predictions": ("Predictor", "predictions"),
    "gate_report": ("ModelGate", "gate_report"),
}


class ExitStatus(enum.IntEnum):
    """Exit statuses of the runners."""

    DONE = 0
    BUG = 1
    BAD_INPUT = 2
    STOPPED_BY_DATA_GATE = 3
    NOT_BLESSED = 4
    INCONCLUSIVE = 5
    INTERRUPTED = 130


_STATUS_OF_VERDICT = {
    "pushed": ExitStatus.DONE,
    "evaluated": ExitStatus.DONE,
    "stopped_by_data_gate": ExitStatus.STOPPED_BY_DATA_GATE,
    "not_blessed": ExitStatus.NOT_BLESSED,
    "inconclusive": ExitStatus.INCONCLUSIVE,
}


@dataclasses.dataclass
class _Run:
    """The state of a run; `failure` is set if it ends early."""

    config: RunConfig
    folder: RunFolder
    schema: Path
    study: str = ""
    run_id: str = dataclasses.field(
        default_factory=lambda: time.strftime("%Y%m%dT%H%M%S-") + uuid.uuid4().hex[:6]
    )
    nodes: list[Any] = dataclasses.field(default_factory=list)
    data_gate_report: DataGateReport | None = None
    failure: str | None = None
    failure_status: ExitStatus = ExitStatus.BUG

    def artifact(self, node: str, key: str) -> Any | None:
        for result in self.nodes:
            if result.name == node:
                return result.outputs.get(key)
        return None

    def fail(self, status: ExitStatus, reason: str) -> None:
        self.failure_status, self.failure = status, reason


def run_locally(
    config: RunConfig,
    output: str,
    *,
    study: str = "",
    from_nodes: Sequence[str] = (),
    to_nodes: Sequence[str] = (),
) -> ExitStatus:
    """Runs the pipeline in this process and writes report, log and summary to `output`.

    Args:
      config: The resolved configuration.
      output: The output folder; that of an earlier run continues it and reuses its results.
      study: One of `STUDIES`, to run instead of the release pipeline.
      from_nodes: Runs only these nodes and those that follow.
      to_nodes: Runs only these nodes and those that precede.

    Raises:
      InputError: Before anything is touched: an argument, a setting, the data or a place is not
        usable. Later: the output folder can't be written to, for example because the disk is full.
    """
    nodes = {"from_nodes": from_nodes, "to_nodes": to_nodes}
    try:
        checked = check_run(config, output, study=study, **nodes)
        with checked.folder.opened(config.name):
            return _run_in_folder(config, checked, study, nodes)
    except Exception as error:
        mistake = mistake_behind(error, output)
        if mistake is None:
            raise
        raise mistake from error


def _run_in_folder(
    config: RunConfig, checked: Checked, study: str, nodes: Mapping[str, Sequence[str]]
) -> ExitStatus:
    folder = checked.folder
    if config.gate.ledger:
        Path(config.gate.ledger).expanduser().parent.mkdir(parents=True, exist_ok=True)
    folder.write_config(dump_config(config))
    run = _Run(config, folder, checked.schema, study)
    with captured_output(folder.log) as console:
        console.line(f"{config.name}: run {run.run_id} in {_shown(folder.root)}", style="bold")
        if folder.adopts:
            console.line("an earlier version's run is in this folder and continues")
        _run(run, console, checked.fingerprints, **nodes)
        return _concluded(run, console)


def _run(
    run: _Run,
    console: RunConsole,
    fingerprints: Mapping[str, str],
    from_nodes: Sequence[str],
    to_nodes: Sequence[str],
) -> None:
    """Executes the graph and records what ended it early."""
    try:
        _execute(run, console, fingerprints, from_nodes, to_nodes)
    except DataGateStopped as stop:
        run.data_gate_report = stop.report
    except KeyboardInterrupt:
        reason = "interrupted; the same command resumes the run"
        run.fail(ExitStatus.INTERRUPTED, reason)
    except Exception as error:  # noqa: BLE001 (the boundary: a bug, not the user's mistake)
        traceback.print_exc()
        mistake = mistake_behind(error, str(run.folder.root))
        if mistake:
            run.fail(ExitStatus.BAD_INPUT, str(mistake))
            if mistake.local:
                console.line(f"  {mistake.local}")
        else:
            run.fail(ExitStatus.BUG, f"{type(error).__name__}: {error}".splitlines()[0])


def _execute(
    run: _Run,
    console: RunConsole,
    fingerprints: Mapping[str, str],
    from_nodes: Sequence[str],
    to_nodes: Sequence[str],
) -> None:
    console.start("loading TensorFlow Extended")
    _prepare_libraries()
    from pipeline.graph.create_pipeline import create_pipeline
    from pipeline.graph.shared_nodes import Places
    from pipeline.graph.study_pipeline import create_study_pipeline
    from pipeline.local.execution import NodeResult, run_nodes

    config, folder = run.config, run.folder
    sources = {config.data.source, *([config.upstream.data.source] * config.upstream.enabled)}
    needs_key = sources != {"synthetic"} and not config.data.id_key_file
    destination = config.push.destination or str(folder.root / "pushed")
    create = create_study_pipeline if run.study else create_pipeline
    pipeline = create(
        config,
        Places(
            pipeline_root=str(folder.root / "artifacts"),
            checkpoint_root=str(folder.root / "checkpoints"),
            push_destination=_absolute(destination),
            schema_file=folder.import_schema(run.schema),
            id_key_file=folder.id_key_file() if needs_key else config.data.id_key_file,
            passed_data=_absolute(config.data_gate.passed_data or str(folder.root / "passed_data")),
            gate_ledger=_gate_ledger(config, folder),
        ),
        **fingerprints,
        metadata_path=str(folder.metadata),
    )

    def ended(result: NodeResult) -> None:
        run.nodes.append(result)
        if result.state != "skipped":
            summary = summarize(result.name, result.outputs)
            console.node(result.name, result.state, result.seconds, summary)

    run_nodes(
        pipeline, started=console.start, ended=ended, from_nodes=from_nodes, to_nodes=to_nodes
    )


def _gate_ledger(config: RunConfig, folder: RunFolder) -> str:
    """Path of the model gate's ledger; empty if its judgements are not counted."""
    given = config.gate.ledger
    return _absolute(str(folder.gate_ledger) if given is None else given) if given != "" else ""


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().resolve())


def _prepare_libraries() -> None:
    """Sends third-party output to the log, and hides our own command line from TFX."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    prefer_onednn()
    # TFX passes the process's arguments on to Beam as pipeline options.
    del sys.argv[1:]
    from absl import logging as absl_logging

    absl_logging.set_verbosity(absl_logging.INFO)
    absl_logging.use_absl_handler()


def _pushed(run: _Run) -> dict[str, str | None]:
    places: dict[str, str | None] = {}
    for name, node in _PUSHERS.items():
        artifact = run.artifact(node, "pushed_model")
        places[name] = None
        if artifact is not None and artifact.get_int_custom_property("pushed"):
            places[name] = artifact.get_string_custom_property("pushed_destination")
    return places


def _concluded(run: _Run, console: RunConsole) -> ExitStatus:
    """Concludes the run; if there is no place for that, says so along with why the run ended."""
    try:
        return _conclude(run, console)
    except Exception as error:
        mistake = mistake_behind(error, str(run.folder.root))
        if mistake is None:
            raise
        traceback.print_exc()
        reason = run.failure or f"the report can't be written: {mistake}"
        raise InputError(reason, local=mistake.local) from error


def _conclude(run: _Run, console: RunConsole) -> ExitStatus:
    """Writes report and summary, whatever happened, and prints where they are."""
    from components.reporter.render import installed_versions

    console.start("writing the report")
    report = _publish_report(run)
    Summary(
        run_id=run.run_id,
        preset=run.config.name,
        verdict=report.verdict,
        reasons=report.reasons,
        nodes=[_node(node) for node in run.nodes],
        metrics={domain: report.metrics.get(domain, {}) for domain in features.DOMAINS},
        pushed=report.pushed,
        quarantined=report.quarantined,
        versions=installed_versions(),
        config=str(run.folder.config),
    ).write_file(run.folder.summary)
    status = _STATUS_OF_VERDICT.get(report.verdict, run.failure_status)
    console.stop()
    style = "bold green" if status == ExitStatus.DONE else "bold red"
    console.line(f"verdict    {report.verdict}", style=style)
    for reason in report.reasons:
        console.line(f"           - {reason}")
    for name, place in _pushed(run).items():
        if place:
            console.line(f"{name:<10} {_shown(Path(place))}")
    console.line(f"report     {_shown(run.folder.report / 'index.html')}")
    console.line(f"summary    {_shown(run.folder.summary)}")
    if status == ExitStatus.BUG:
        console.line(f"log        {_shown(run.folder.log)}")
    return status


def _publish_report(run: _Run) -> RunReport:
    """Copies the Reporter's report to the output folder, or writes one from the available parts."""
    made = run.artifact("StudyReporter" if run.study else "Reporter", "report")
    try:
        with run.folder.writing_report() as place:
            if made is None:
                return _rendered(run, place, _report_parts(run))
            shutil.copytree(made.uri, place)
            return RunReport.read(place)
    except InputError as error:
        # If another version of this code wrote a part, the page only says so.
        if run.failure is None:
            run.fail(ExitStatus.BAD_INPUT, str(error))
        with run.folder.writing_report() as place:
            return _rendered(run, place, {})


def _report_parts(run: _Run) -> dict[str, Any]:
    """The run's outputs, by their names in the report."""
    parts: dict[str, Any] = {
        part: artifact.uri
        for part, (node, key) in _REPORT_PARTS.items()
        if (artifact := run.artifact(node, key)) is not None
    }
    if (model := run.artifact("Finetuner", "model")) is not None:
        parts["model"] = f"{model.uri}/Format-Serving"
    if run.data_gate_report is not None:
        parts["data_gate_report"] = run.data_gate_report
    return parts | {f"pushed_{name}": place for name, place in _pushed(run).items()}


def _rendered(run: _Run, place: Path, parts: Mapping[str, Any]) -> RunReport:
    from components.reporter.page.report_inputs import ReportInputs
    from components.reporter.render import render_report

    sources = ReportInputs(
        run_settings=run.config.model_dump(mode="json"),
        nodes=[_node(node) for node in run.nodes],
        failure=run.failure,
        **parts,
    )
    return render_report(place, sources)


def _node(result: Any) -> Node:
    return Node(name=result.name, state=result.state, seconds=round(result.seconds, 2))


def _shown(path: Path) -> str:
    """A path relative to the current folder, if it is below it."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
