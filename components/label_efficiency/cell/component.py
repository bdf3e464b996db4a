"""StudyCell: one training of the label-efficiency study, a separate node so that it is cached."""

from __future__ import annotations

from typing import ClassVar

from tfx import v1 as tfx
from tfx.dsl.components.base import executor_spec
from tfx.types import channel, component_spec

from components.artifact_types import CellReport
from components.label_efficiency.cell.executor import Executor
from components.label_efficiency.cell.settings import CellSettings
from schemas.documents.study import Cell
from trainer_modules.settings import FinetuneSettings, ModelSettings, TaskSettings

_STRINGS = ("cell", "task", "model", "finetune", "settings", "code_digest")


class StudyCellSpec(component_spec.ComponentSpec):
    """Interface of a StudyCell."""

    PARAMETERS: ClassVar = {
        **{name: component_spec.ExecutionParameter(type=str) for name in _STRINGS},
        "division_seed": component_spec.ExecutionParameter(type=int),
        "keep_weights": component_spec.ExecutionParameter(type=int),
    }
    INPUTS: ClassVar = {
        "examples": component_spec.ChannelParameter(type=tfx.types.standard_artifacts.Examples),
        "encoder": component_spec.ChannelParameter(
            type=tfx.types.standard_artifacts.Model, optional=True
        ),
        "searched": component_spec.ChannelParameter(type=CellReport, optional=True),
        "start": component_spec.ChannelParameter(type=CellReport, optional=True),
    }
    OUTPUTS: ClassVar = {"report": component_spec.ChannelParameter(type=CellReport)}


class StudyCell(tfx.types.BaseComponent):
    """Trains on a fraction of the labels; scores the test split and held-out shifted patients."""

    SPEC_CLASS = StudyCellSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        cell: Cell,
        *,
        examples: tfx.types.BaseChannel,
        task: TaskSettings,
        model: ModelSettings,
        finetune: FinetuneSettings,
        settings: CellSettings,
        division_seed: int,
        code_digest: str,
        encoder: tfx.types.BaseChannel | None = None,
        searched: tfx.types.BaseChannel | None = None,
        start: tfx.types.BaseChannel | None = None,
        keep_weights: bool = False,
    ) -> None:
        """Declares the node, named after the cell.

        Args:
          cell: Which cell.
          examples: Ingested images.
          task: What is predicted.
          model: The backbone; its `init` gives the first weights if there is no encoder.
          finetune: Mode, augmentation, optimizer and precision of the training.
          settings: Steps, search, division of the shifted patients.
          division_seed: Seed of that division.
          code_digest: Digest of the code, so that an edit invalidates cached results.
          encoder: Exported encoder to start from.
          searched: CellReport whose learning rate and weight decay to use; None: search.
          start: CellReport whose classifier to train further.
          keep_weights: Whether another cell starts from this one.
        """
        optional = {"encoder": encoder, "searched": searched, "start": start}
        super().__init__(
            StudyCellSpec(
                cell=cell.model_dump_json(),
                examples=examples,
                task=task.model_dump_json(),
                model=model.model_dump_json(),
                finetune=finetune.model_dump_json(),
                settings=settings.model_dump_json(),
                division_seed=division_seed,
                keep_weights=int(keep_weights),
                code_digest=code_digest,
                report=channel.Channel(type=CellReport),
                **{name: source for name, source in optional.items() if source is not None},
            )
        )
        self.with_id(cell.name)
