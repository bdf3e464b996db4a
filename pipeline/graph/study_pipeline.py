"""The label-efficiency study: the release pipeline's data and encoder, then a node per cell.

Cells share the data nodes and the Pretrainer with the release pipeline, so these are cached in its
output folder. An interrupted study resumes with the missing cells.
"""

from __future__ import annotations

from tfx import v1 as tfx

from components.label_efficiency.cell.component import StudyCell
from components.label_efficiency.cell.settings import BIT, RANDOM, REMEDIS
from components.label_efficiency.report.component import StudyReporter
from pipeline.config.config import RunConfig
from pipeline.graph.code_digest import code_digest, executor_of
from pipeline.graph.shared_nodes import Places, SharedNodes, assemble, build_shared_nodes
from pipeline.graph.study_arms import check_study, study_arms
from schemas.documents.study import Arm, Cell
from trainer_modules.settings import InitSettings


def create_study_pipeline(
    config: RunConfig,
    places: Places,
    *,
    data_fingerprint: str,
    upstream_fingerprint: str = "",
    metadata_path: str | None = None,
) -> tfx.dsl.Pipeline:
    """Wires the study; takes the arguments of `create_pipeline`.

    Raises:
      InputError: No arm is left to compare with REMEDIS, or a setting has no effect here.
    """
    check_study(config)
    shared = build_shared_nodes(config, places, data_fingerprint, upstream_fingerprint)
    arms, left_out = study_arms(config)
    cells = [cell for arm in arms for cell in _arm(arm, config, shared)]
    reporter = StudyReporter(
        cells=[cell.outputs["report"] for cell in cells],
        ingest_report=shared.example_gen.outputs["ingest_report"],
        task=config.task,
        settings=config.study,
        left_out=left_out,
        run_settings=config.model_dump_json(),
        code_digest=code_digest(executor_of(StudyReporter)),
    )
    return assemble(config, places, [*shared.in_order(), *cells, reporter], metadata_path)


def _arm(arm: Arm, config: RunConfig, shared: SharedNodes) -> list[StudyCell]:
    """All cells of an arm: the first seed searches, and the other seeds use its choice."""
    encoder = shared.pretrainer.outputs["model"] if arm == REMEDIS else None
    if arm == BIT and shared.upstream:
        encoder = shared.upstream.trainer.outputs["model"]
    model = config.model
    if arm == RANDOM:
        model = model.model_copy(update={"init": InitSettings()})
    study, cells = config.study, []
    code = code_digest(executor_of(StudyCell))

    def add(cell: Cell, **origin: tfx.types.BaseChannel) -> StudyCell:
        whole = cell.fraction == 1.0 and cell.shifted_fraction is None
        node = StudyCell(
            cell,
            examples=shared.examples,
            task=config.task,
            model=model,
            finetune=config.finetune,
            settings=study.cell,
            division_seed=config.seed,
            code_digest=code,
            keep_weights=whole and bool(study.shifted_fractions),
            **origin,
        )
        node.add_upstream_node(shared.data_gate)
        cells.append(node)
        return node

    first = {"encoder": encoder} if encoder is not None else {}
    whole: list[StudyCell] = []
    for fraction in sorted(study.fractions):
        searched: dict[str, tfx.types.BaseChannel] = {}
        for seed in study.seeds:
            node = add(Cell(arm=arm, seed=seed, fraction=fraction), **first, **searched)
            searched = searched or {"searched": node.outputs["report"]}
            whole += [node] if fraction == 1.0 else []
    for fraction in sorted(study.shifted_fractions):
        for seed, start in zip(study.seeds, whole, strict=True):
            add(
                Cell(arm=arm, seed=seed, shifted_fraction=fraction),
                start=start.outputs["report"],
                searched=whole[0].outputs["report"],
            )
    return cells
