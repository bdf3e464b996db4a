"""Loads SavedModels of users, which are programs: refuses those that reach beyond their tensors.

TensorFlow runs the graph of a SavedModel with the rights of the process, and graphs can read, write
and delete files (TensorFlow's SECURITY.md). Classifiers and encoders of images need none of this.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import tensorflow as tf

from schemas.errors import InputError

_FILES = (
    r"ReadFile|WriteFile|MatchingFiles|\w*Reader(V\d)?|\w*Dataset\w*|LoadAndRemapMatrix|RecordInput|"
    r"GenerateVocabRemapping|FixedUnigramCandidateSampler|Skipgram|FileSystemSetConfiguration|"
    r"CalibrationStatisticsSaver|DumpTensor|Debug\w+|Create\w*Writer|Write\w*Summary|ImportEvent"
)
# Data sets of tensors in memory: our own models decode images in them, so that one that is damaged
# does not fail its batch. The functions that they call are checked like all others.
_IN_MEMORY = frozenset(
    (
        "BatchDatasetV2",
        "ConcatenateDataset",
        "DatasetToSingleElement",
        "IgnoreErrorsDataset",
        "MapDataset",
        "OptionsDataset",
        "ParallelMapDatasetV2",
        "RangeDataset",
        "RewriteDataset",
        "TensorDataset",
        "TensorSliceDataset",
        "ZipDataset",
    )
)
_CHECKPOINTS = (
    r"Save(V2|Slices)?|Restore(V2|Slice)?|DTensorRestoreV2|DistributedSave|MergeV2Checkpoints"
)
_PROCESSES = r"PyFunc\w*|EagerPyFunc|Rpc\w+|RemoteCall|\w*HostCompute\w*"
_ANYWHERE = re.compile(f"{_FILES}|{_PROCESSES}")
_WHEN_CALLED = re.compile(f"{_FILES}|{_CHECKPOINTS}|{_PROCESSES}")


def load_guarded(folder: str, unreadable: str) -> Any:
    """Calls `tf.saved_model.load` after checking what the graph would do.

    Args:
        folder: The SavedModel.
        unreadable: Message if TensorFlow cannot load it; the reason follows.

    Raises:
        InputError: Loading or calling it would access files, the network or Python, or it cannot
            be loaded.
    """
    try:
        _refuse_what_reaches_out(folder)
        return tf.saved_model.load(folder)
    except InputError:
        raise
    except (OSError, ValueError, RuntimeError, KeyError, tf.errors.OpError) as error:
        raise InputError(f"{unreadable} ({error})") from error


def _refuse_what_reaches_out(folder: str) -> None:
    graphs = tf.__internal__.saved_model.parse_saved_model(folder).meta_graphs
    for graph in graphs:
        _check_assets(folder, graph.asset_file_def)
        library = {each.signature.name: each for each in graph.graph_def.library.function}
        if len(graphs) == 1 and graph.HasField("object_graph_def"):
            roots = set(graph.object_graph_def.concrete_functions)
            roots |= {each.gradient_func for each in graph.graph_def.library.gradient}
            roots |= {each.gradient_func for each in graph.graph_def.library.registered_gradients}
            _check(folder, _reachable(roots, library), _WHEN_CALLED)
        else:  # TensorFlow 1: the one graph contains its own checkpoint operations
            nodes = [("the graph", node) for node in graph.graph_def.node]
            called = {name for _, node in nodes for name in _calls(node)}
            _check(folder, [*nodes, *_reachable(called, library)], _ANYWHERE)


def _check_assets(folder: str, assets: Iterable[Any]) -> None:
    for asset in assets:
        paths = (PurePosixPath(asset.filename), PureWindowsPath(asset.filename))
        if any(path.is_absolute() or path.drive or ".." in path.parts for path in paths):
            raise InputError(
                f"model '{folder}' is refused: its asset '{asset.filename}' lies outside the folder"
            )


def _check(folder: str, nodes: Iterable[tuple[str, Any]], denied: re.Pattern[str]) -> None:
    for where, node in nodes:
        prints = node.op == "PrintV2" and node.attr["output_stream"].s.startswith(b"file:")
        if prints or (denied.fullmatch(node.op) and node.op not in _IN_MEMORY):
            raise InputError(
                f"model '{folder}' is refused: operation {node.op} ('{node.name}' in {where}) "
                "reaches beyond the model's tensors; accepted are models that only compute"
            )


def _reachable(roots: Iterable[str], library: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Nodes of the functions that these nodes call, with the function's name."""
    waiting, seen = list(roots), set()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in library:
            continue
        seen.add(name)
        for node in library[name].node_def:
            yield name, node
            waiting += _calls(node)


def _calls(node: Any) -> Iterator[str]:
    """Names that may be functions: the operation's own, and those it receives."""
    yield node.op
    for value in node.attr.values():
        yield value.func.name
        yield from (each.name for each in value.list.func)
