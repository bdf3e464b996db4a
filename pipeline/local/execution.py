"""Runs a pipeline node by node in this process, and reports the outcome of each node.

TFX's LocalDagRunner does the same silently: it reports neither which nodes were cached nor how far
a failed run got.
"""

from __future__ import annotations

import dataclasses
import datetime
import time
from collections.abc import Callable, Sequence
from typing import Literal

from ml_metadata.proto import metadata_store_pb2
from tfx import v1 as tfx
from tfx.dsl.compiler import compiler, constants
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import (
    launcher,
    partial_run_utils,
    runtime_parameter_utils,
)
from tfx.orchestration.portable.mlmd import execution_lib
from tfx.proto.orchestration import pipeline_pb2

from pipeline.local.lost_models import retire_lost_models
from schemas.errors import InputError

State = Literal["ran", "cached", "skipped", "failed"]
_STATES: dict[int, State] = {
    metadata_store_pb2.Execution.COMPLETE: "ran",
    metadata_store_pb2.Execution.CACHED: "cached",
}


@dataclasses.dataclass(frozen=True)
class NodeResult:
    """Outcome of one node. `outputs` maps output keys to artifacts, including cached ones."""

    name: str
    state: State
    seconds: float
    outputs: dict[str, tfx.dsl.Artifact] = dataclasses.field(default_factory=dict)


def run_nodes(
    pipeline: tfx.dsl.Pipeline,
    *,
    started: Callable[[str], None],
    ended: Callable[[NodeResult], None],
    from_nodes: Sequence[str] = (),
    to_nodes: Sequence[str] = (),
) -> None:
    """Runs the pipeline; an executor's exception ends the run and is raised unchanged.

    Args:
      pipeline: The pipeline, with a metadata connection.
      started: Called with a node's name before it starts.
      ended: Called with every node's result; for a failed node, before its exception is raised.
      from_nodes: Runs only these nodes and those that follow; reuses those that precede.
      to_nodes: Runs only these nodes and those that precede.

    Raises:
      InputError: A node that does not exist, or a partial run before any full one.
    """
    ir = compiler.Compiler().compile(pipeline)
    runtime_parameter_utils.substitute_runtime_parameter(
        ir, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: datetime.datetime.now().isoformat()}
    )
    _mark_partial_run(ir, from_nodes, to_nodes)
    deployment = runner_utils.extract_local_deployment_config(ir)
    connection = deployment.metadata_connection_config
    connection = getattr(connection, connection.WhichOneof("connection_config"))
    retire_lost_models(connection)
    for node in (item.pipeline_node for item in ir.nodes):
        name = node.node_info.id
        if node.execution_options.HasField("skip"):
            ended(NodeResult(name, "skipped", 0.0))
            continue
        started(name)
        start = time.monotonic()
        if node.execution_options.run.perform_snapshot:
            _reuse_last_run(connection, ir)
        node_launcher = launcher.Launcher(
            pipeline_node=node,
            mlmd_connection=metadata.Metadata(connection),
            pipeline_info=ir.pipeline_info,
            pipeline_runtime_spec=ir.runtime_spec,
            executor_spec=runner_utils.extract_executor_spec(deployment, name),
            custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, name),
        )
        try:
            info = node_launcher.launch()
        except BaseException:
            ended(NodeResult(name, "failed", time.monotonic() - start))
            raise
        ended(_result(connection, name, info.execution_id, time.monotonic() - start))


def _result(
    connection: metadata.ConnectionConfigType, name: str, execution_id: int, seconds: float
) -> NodeResult:
    with metadata.Metadata(connection) as handle:
        (execution,) = handle.store.get_executions_by_id([execution_id])
        state = _STATES.get(execution.last_known_state)
        if state is None:
            raise RuntimeError(f"{name}: its inputs could not be resolved")
        artifacts = execution_lib.get_output_artifacts(handle, execution_id)
    outputs = {key: values[0] for key, values in artifacts.items() if values}
    return NodeResult(name, state, seconds, outputs)


def _mark_partial_run(
    ir: pipeline_pb2.Pipeline, from_nodes: Sequence[str], to_nodes: Sequence[str]
) -> None:
    if not from_nodes and not to_nodes:
        return
    names = [item.pipeline_node.node_info.id for item in ir.nodes]
    for name in (*from_nodes, *to_nodes):
        if name not in names:
            raise InputError(f"node '{name}' does not exist; accepted: {', '.join(names)}")
    partial_run_utils.mark_pipeline(ir, from_nodes or None, to_nodes or None)


def _reuse_last_run(connection: metadata.ConnectionConfigType, ir: pipeline_pb2.Pipeline) -> None:
    """Makes the results of skipped nodes part of this run."""
    required = {
        item.pipeline_node.node_info.id
        for item in ir.nodes
        if item.pipeline_node.execution_options.skip.reuse_artifacts_mode
        == pipeline_pb2.NodeExecutionOptions.Skip.REQUIRED
    }
    with metadata.Metadata(connection) as handle:
        base = _newest_run_with(handle, ir.pipeline_info.id, required)
        if base is None and not required:
            return  # a node that is neither requested nor needed has not run yet
        if base is None:
            raise InputError(
                "--from-node reuses what an earlier run in this output folder made of "
                f"{', '.join(sorted(required))}, and no run has: run once without --from-node"
            )
        partial_run_utils.snapshot(handle, ir, base)


def _newest_run_with(handle: metadata.Metadata, pipeline: str, nodes: set[str]) -> str | None:
    """Id of the newest run of the pipeline in which all these nodes succeeded.

    TFX itself uses the newest run, even a partial one, which would hide a complete one.
    """
    store = handle.store
    own = store.get_context_by_type_and_name(constants.PIPELINE_CONTEXT_TYPE_NAME, pipeline)
    if own is None:
        return None
    run_type = store.get_context_type(constants.PIPELINE_RUN_CONTEXT_TYPE_NAME).id
    runs = [c for c in store.get_children_contexts_by_context(own.id) if c.type_id == run_type]
    for run in sorted(runs, key=lambda context: context.create_time_since_epoch, reverse=True):
        succeeded = {
            context.name.rpartition(".")[2]
            for execution in store.get_executions_by_context(run.id)
            if execution.last_known_state in _STATES
            for context in store.get_contexts_by_execution(execution.id)
            if context.type == constants.NODE_CONTEXT_TYPE_NAME
        }
        if nodes <= succeeded:
            return run.name
    return None
