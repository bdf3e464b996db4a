"""TFX plumbing of the model gate."""

from __future__ import annotations

import dataclasses
import json
import os
from typing import TYPE_CHECKING, Any

from absl import logging
from tfx import types
from tfx.components.evaluator import constants
from tfx.dsl.components.base import base_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.utils import io_utils, path_utils

from components.artifact_types import Artifacts
from components.model_gate.policy.settings import GateSettings
from components.predictor.executor import split_files
from schemas import features
from schemas.documents.provenance import Provenance, Reuse
from schemas.errors import InputError
from trainer_modules.settings import TaskSettings

if TYPE_CHECKING:
    import pandas as pd

    from components.model_gate.rules.domain_rules import Verdict
    from components.model_gate.rules.evidence import Evidence


@dataclasses.dataclass
class Judgement:
    """What is known of a model beside the verdict; some of it is not if it can't be judged."""

    evidence: Evidence | None = None
    look: Reuse | None = None
    provenance: Provenance | None = None


class Executor(base_executor.BaseExecutor):
    """Writes the blessing that Pusher honors, and the verdict with its reasons."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Judges the model; one that can't be judged is not blessed, which is not an error."""
        from components.model_gate.rules import domain_rules, verdict_document

        settings = GateSettings.model_validate_json(exec_properties["settings"])
        judgement = Judgement()
        try:
            verdict = self._judge(judgement, input_dict, exec_properties, settings)
        except InputError as error:
            logging.exception("The model could not be judged.")
            judgement.evidence = None
            verdict = domain_rules.refused(f"the model could not be judged: {error}")
        document = verdict_document.verdict_document(
            verdict, judgement.evidence, settings
        ).model_copy(update={"provenance": judgement.provenance, "reuse": judgement.look})
        document.write(artifact_utils.get_single_uri(output_dict["gate_report"]))
        # Here it can be signed, and Pusher finds it with its signature.
        document.write(artifact_utils.get_single_uri(output_dict["blessing"]))
        self._bless(verdict, input_dict, output_dict, exec_properties)
        for reason in verdict.reasons:
            logging.warning("Not blessed: %s", reason)

    def _judge(
        self,
        judgement: Judgement,
        input_dict: Artifacts,
        exec_properties: dict[str, Any],
        settings: GateSettings,
    ) -> Verdict:
        """Judges the model, and fills in what is known on the way."""
        import pandas as pd

        from components.model_gate.provenance import digests, record
        from components.model_gate.rules import domain_rules
        from components.model_gate.serving import inputs

        task = TaskSettings.model_validate_json(exec_properties["task"])
        subgroups = json.loads(exec_properties["subgroups"])
        predictions = artifact_utils.get_single_uri(input_dict["predictions"])
        table = inputs.judged_predictions(predictions)
        validation = inputs.validation_predictions(predictions)
        found = record.digests_of(
            table,
            task,
            settings,
            given=pd.concat([validation, table]),
            images=table[features.IMAGE_ID],
            model=digests.files(_model_dir(input_dict)),
        )
        judgement.provenance = record.provenance(found, task, subgroups)
        why_not = "the setting 'gate.ledger' names no file"
        look = judgement.look = record.look(exec_properties["ledger"], why_not, found, settings)
        if look.refused:
            return domain_rules.refused(look.message)
        effective = settings.model_copy(update={"confidence": look.confidence})
        evidence = self._evidence(table, validation, input_dict, exec_properties, effective)
        judgement.evidence = dataclasses.replace(
            evidence, notes=(*evidence.notes, *record.notes(look))
        )
        return domain_rules.judge(judgement.evidence, effective)

    def _evidence(
        self,
        table: pd.DataFrame,
        validation: pd.DataFrame,
        input_dict: Artifacts,
        exec_properties: dict[str, Any],
        settings: GateSettings,
    ) -> Evidence:
        from components.model_gate.rules import evidence
        from components.model_gate.serving import inputs

        task = TaskSettings.model_validate_json(exec_properties["task"])
        model_dir = _model_dir(input_dict)
        files = _files(artifact_utils.get_single_instance(input_dict["examples"]))
        baseline, baseline_table = inputs.baseline_predictions(
            exec_properties["baseline_dir"], model_dir, files, task
        )
        return evidence.collect(
            table,
            task,
            json.loads(exec_properties["subgroups"]),
            settings,
            validation=validation,
            baseline=baseline,
            baseline_table=baseline_table,
            serving=inputs.serving(
                model_dir, files, table, task, settings, _ingest_report(input_dict)
            ),
            evaluator_blessed=_evaluator_verdict(input_dict),
        )

    def _bless(
        self,
        verdict: Verdict,
        input_dict: Artifacts,
        output_dict: Artifacts,
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes a blessing in the form of TFX's Evaluator, which Pusher recognizes."""
        blessing = artifact_utils.get_single_instance(output_dict["blessing"])
        model = artifact_utils.get_single_instance(input_dict["model"])
        blessing.set_string_custom_property(
            constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, model.uri
        )
        blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model.id)
        if "current_component_id" in exec_properties:
            blessing.set_string_custom_property(
                "component_id", exec_properties["current_component_id"]
            )
        name, value = (
            (constants.BLESSED_FILE_NAME, constants.BLESSED_VALUE)
            if verdict.blessed
            else (constants.NOT_BLESSED_FILE_NAME, constants.NOT_BLESSED_VALUE)
        )
        fileio.makedirs(blessing.uri)
        io_utils.write_string_file(os.path.join(blessing.uri, name), "")
        blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, value)


def _model_dir(input_dict: Artifacts) -> str:
    return path_utils.serving_model_path(artifact_utils.get_single_uri(input_dict["model"]))


def _files(examples: types.Artifact) -> dict[str, list[str]]:
    """Record files of the judged splits."""
    return {split: split_files(examples, split) for split in (features.TEST, features.SHIFTED)}


def _ingest_report(input_dict: Artifacts) -> str:
    """Folder of the ingest report; empty if there is none."""
    given = input_dict.get("ingest_report")
    return artifact_utils.get_single_uri(given) if given else ""


def _evaluator_verdict(input_dict: Artifacts) -> bool | None:
    blessings = input_dict.get("evaluator_blessing")
    if not blessings:
        return None
    blessing = artifact_utils.get_single_instance(blessings)
    key = constants.ARTIFACT_PROPERTY_BLESSED_KEY
    if not blessing.has_custom_property(key):
        return None
    return blessing.get_int_custom_property(key) == constants.BLESSED_VALUE
