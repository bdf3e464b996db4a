"""The finetuning nodes: the search of hyperparameters, if requested, and the Finetuner.

Both read only the train and validation splits. Test and shifted images cannot reach them.
"""

from __future__ import annotations

from tfx import v1 as tfx

from pipeline.config.config import RunConfig
from pipeline.graph.shared_nodes import Places
from pipeline.graph.trainer_config import FINETUNE, SEARCH, trainer_config
from schemas import features


def build_finetuning_nodes(
    config: RunConfig,
    places: Places,
    examples: tfx.types.BaseChannel,
    encoder: tfx.types.BaseChannel,
) -> list[tfx.dsl.components.BaseComponent]:
    """Wires the nodes; the last one is the Finetuner.

    Args:
      config: The run's settings.
      places: Folders of the run.
      examples: The output of ingestion.
      encoder: The Pretrainer's model.
    """
    arguments = {
        "examples": examples,
        "base_model": encoder,
        "train_args": tfx.proto.TrainArgs(splits=[features.TRAIN]),
        "eval_args": tfx.proto.EvalArgs(splits=[features.VALIDATION]),
    }
    tuners = []
    if config.finetune.search.enabled:
        # Learning rate and weight decay, chosen on validation.
        tuners.append(
            tfx.components.Tuner(
                tuner_fn=SEARCH,
                custom_config=trainer_config(config, SEARCH, places.checkpoint_root),
                **arguments,
            ).with_id("FinetuneTuner")
        )
        arguments["hyperparameters"] = tuners[0].outputs["best_hyperparameters"]
    # Step 3 of REMEDIS: supervised finetuning.
    finetuner = tfx.components.Trainer(
        run_fn=FINETUNE,
        custom_config=trainer_config(config, FINETUNE, places.checkpoint_root),
        **arguments,
    ).with_id("Finetuner")
    return [*tuners, finetuner]
