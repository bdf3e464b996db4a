"""The names of a pipeline's nodes; imports no TFX, so that a misspelled one is refused at once.

tests/pipeline/graph/test_node_names.py compares them with those of the pipelines themselves.
"""

from __future__ import annotations

from pipeline.config.config import RunConfig
from pipeline.graph.study_arms import check_study, study_arms
from schemas.documents.study import Cell

# They read no other node's output.
FIRST = ("ImageExampleGen", "ImportSchemaGen")


def release_nodes(config: RunConfig) -> list[str]:
    """Names of the nodes of the release pipeline."""
    return [
        *_shared_nodes(config),
        *(["FinetuneTuner"] * config.finetune.search.enabled),
        "Finetuner",
        "Predictor",
        "Evaluator",
        "ModelGate",
        *(["Pusher", "EncoderPusher"] * config.push.enabled),
        "Reporter",
    ]


def study_nodes(config: RunConfig) -> list[str]:
    """Names of the nodes of the label-efficiency study.

    Raises:
      InputError: The settings describe no study.
    """
    check_study(config)
    arms, _ = study_arms(config)
    study = config.study
    cells = [
        *(
            Cell(arm=arm, seed=seed, fraction=fraction)
            for arm in arms
            for fraction in study.fractions
            for seed in study.seeds
        ),
        *(
            Cell(arm=arm, seed=seed, shifted_fraction=fraction)
            for arm in arms
            for fraction in study.shifted_fractions
            for seed in study.seeds
        ),
    ]
    return [*_shared_nodes(config), *(cell.name for cell in cells), "StudyReporter"]


def _shared_nodes(config: RunConfig) -> list[str]:
    return [
        "ImageExampleGen",
        "StatisticsGen",
        "ImportSchemaGen",
        "ExampleValidator",
        "DataGate",
        *(["UpstreamExampleGen", "Upstream"] * config.upstream.enabled),
        "Pretrainer",
    ]
