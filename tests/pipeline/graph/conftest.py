"""Graphs of a configuration whose settings are all told apart."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.config.config import load_config

# Nowhere the default, and no two alike where one could reach the other's place.
SETTINGS = (
    "name=other",
    "seed=17",
    "task={kind: multilabel, labels: [edema, effusion]}",
    "data.subgroups=[age, sex]",
    "data_gate.min_per_class=9",
    "model.root_filters=24",
    "pretrain.temperature=0.35",
    "pretrain.splits=[unlabeled]",
    "finetune.label_fraction=0.45",
    "predictor.embeddings=[shifted]",
    "evaluation={min_auc: 0.51, min_auc_in_distribution: 0.71, min_auc_shifted: 0.61}",
    "gate={max_gap: 0.21, shifted: {min_auc: 0.62}, in_distribution: {min_auc: 0.81}}",
    "study={steps: 77, seeds: [3]}",
    "distribution.strategy=one_device",
)
UPSTREAM = (
    "upstream.enabled=true",
    "upstream.task.labels=[wheel]",
    "upstream.data.source=synthetic",
    "upstream.data.stored_size=48",
    "upstream.epochs=5",
)


@pytest.fixture(scope="session")
def graph_of():
    """Builds a graph: its nodes by name, the configuration and the pipeline itself."""

    def build(*overrides: str, create: str = "create_pipeline", **more: Any):
        from pipeline.graph import create_pipeline, study_pipeline
        from pipeline.graph.shared_nodes import Places

        config = load_config(preset="demo", overrides=[*SETTINGS, *overrides])
        places = Places(
            "/root", "/checkpoints", "/pushed", "/schema.pbtxt", "/keys/id", "/passed/data"
        )
        function = getattr(
            create_pipeline if create == "create_pipeline" else study_pipeline, create
        )
        given = {"data_fingerprint": "data", "upstream_fingerprint": "images"} | more
        pipeline = function(config, places, **given)
        return {node.id: node for node in pipeline.components}, config, pipeline

    return build


@pytest.fixture(scope="session")
def sources_of():
    """The producer and the output of each input of a node."""

    def sources(node) -> dict[str, tuple[str, str]]:
        return {
            name: (channel.producer_component_id, channel.output_key)
            for name, channel in node.inputs.items()
        }

    return sources


@pytest.fixture(scope="module")
def built(graph_of):
    return graph_of(*UPSTREAM)


@pytest.fixture(scope="module")
def nodes(built):
    return built[0]


@pytest.fixture(scope="module")
def config(built):
    return built[1]


def settings_in(node, name):
    return json.loads(node.exec_properties[name])
