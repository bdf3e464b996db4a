"""Entry point of every step's container: adapts TFX's own to open-source Kubeflow.

    python -m pipeline.kubeflow.runtime.entrypoint --executor_class_path ... (arguments as compiled)

Exit status: 0 done; 2 bad input; 3 stopped by DataGate (reasons on stderr); 1 a bug.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import TypeVar

from absl import flags, logging
from google.protobuf import json_format

from schemas.documents.data_gate import DataGateStopped
from schemas.errors import mistake_behind
from trainer_modules.training.tensorflow_start import prefer_onednn

Message = TypeVar("Message")
# Parent of the launcher's folders (/minio, /s3, ...); set only to replay a step elsewhere.
ROOT_VARIABLE = "REMEDIS_LAUNCHER_ROOT"


def main(argv: Sequence[str]) -> int:
    """Runs one step; returns the container's exit status."""
    arguments, beam_arguments = _parse(argv)
    # TFX passes the process's arguments on to Beam as pipeline options.
    del sys.argv[1:]
    flags.FLAGS.mark_as_parsed()
    logging.use_absl_handler()
    logging.set_verbosity(logging.INFO)
    try:
        _run(arguments, beam_arguments)
    except Exception as error:
        status = explain(error)
        if not status:
            raise
        return status
    return 0


def explain(error: BaseException) -> int:
    """Explains user errors and refusals on stderr; returns the exit status, or 0 for a bug."""
    stop = _stop_behind(error)
    if stop:
        print("stopped by DataGate:", *stop.reasons, sep="\n- ", file=sys.stderr)
        return 3
    mistake = mistake_behind(error)
    if mistake:
        print(f"error: {mistake}", file=sys.stderr)
        return 2
    return 0


def remote_schemes(beam_arguments: Sequence[str]) -> tuple[str, ...]:
    """Schemes of artifacts that a step accesses in place, given its Beam runner.

    Dataflow's workers don't see the launcher's copies; TensorFlow and Beam read Cloud Storage.
    """
    # As in Beam, the last one wins.
    runners = [text for text in beam_arguments if text.startswith("--runner=")]
    return ("gs",) if runners[-1:] == ["--runner=DataflowRunner"] else ()


def _parse(argv: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.kubeflow.runtime.entrypoint",
        description=__doc__,
        allow_abbrev=False,
    )
    parser.add_argument("--executor_class_path", required=True)
    parser.add_argument("--json_serialized_invocation_args", required=True, help="KFP's {{$}}")
    parser.add_argument("--json_serialized_inputs_spec_args", required=True)
    parser.add_argument("--json_serialized_outputs_spec_args", required=True)
    parser.add_argument(
        "--runtime_settings", default="{}", help="where values of run parameters belong (JSON)"
    )
    return parser.parse_known_args(argv)


def _run(arguments: argparse.Namespace, beam_arguments: list[str]) -> None:
    from kfp.pipeline_spec import pipeline_spec_pb2 as spec

    from pipeline.kubeflow.runtime.messages import (
        LocalCopies,
        apply_runtime_settings,
        prepare_input,
        restore_uris,
    )

    copies = LocalCopies(os.environ.get(ROOT_VARIABLE, "/"), remote_schemes(beam_arguments))
    message = _read(arguments.json_serialized_invocation_args, spec.ExecutorInput())
    found = apply_runtime_settings(
        message.inputs.parameter_values, json.loads(arguments.runtime_settings)
    )
    for name, value in found.items():
        logging.info("Parameter %s = %r", name, value)
    prepare_input(
        message,
        _read(arguments.json_serialized_inputs_spec_args, spec.ComponentInputsSpec()),
        _read(arguments.json_serialized_outputs_spec_args, spec.ComponentOutputsSpec()),
        copies,
    )
    arguments.json_serialized_invocation_args = json_format.MessageToJson(message)
    _execute(arguments, beam_arguments)
    output_file = message.outputs.output_file
    with open(output_file, encoding="utf-8") as file:
        answer = _read(file.read(), spec.ExecutorOutput())
    restore_uris(answer, copies)
    with open(output_file, "w", encoding="utf-8") as file:
        file.write(json_format.MessageToJson(answer))


def _execute(arguments: argparse.Namespace, beam_arguments: list[str]) -> None:
    """Runs TFX's entrypoint, importing only what the step needs."""
    from pipeline.kubeflow.runtime import imports

    imports.defer_packages()
    from tfx.utils import import_utils

    import_utils.import_class_by_path(arguments.executor_class_path)
    imports.spare_evaluator()
    from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor

    kubeflow_v2_run_executor.main((arguments, beam_arguments))


def _read(text: str, message: Message) -> Message:
    return json_format.Parse(text, message, ignore_unknown_fields=True)


def _stop_behind(error: BaseException | None) -> DataGateStopped | None:
    """The refusal behind an exception of Beam or TFX, if there is one."""
    while error is not None and not isinstance(error, DataGateStopped):
        error = error.__cause__ or error.__context__
    return error


if __name__ == "__main__":
    # KFP's own switch for containers: `import kfp` then leaves the client and the compiler out.
    os.environ.setdefault("_KFP_RUNTIME", "true")
    prefer_onednn()
    sys.exit(main(sys.argv[1:]))
