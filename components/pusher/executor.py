"""Executor of TFX's Pusher that publishes a model whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from absl import logging
from tfx.components.pusher import executor as pusher_executor
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils
from tfx.utils import io_utils, proto_utils

from components.artifact_types import Artifacts


class Executor(pusher_executor.Executor):
    """Honors blessings and fills the artifact as TFX does; the copying is `publish`'s."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Reads `model` and `model_blessing`, writes `pushed_model` and the push destination."""
        from components.pusher.answer import check_answer
        from components.pusher.publish import publish

        place = pusher_pb2.PushDestination()
        proto_utils.json_to_proto(exec_properties["push_destination"], place)
        folder = place.filesystem.base_directory
        if "://" in folder:
            # An object store has no rename, lock or sync; TFX copies saved_model.pb last.
            super().Do(input_dict, output_dict, exec_properties)
            return
        pushed = artifact_utils.get_single_instance(output_dict["pushed_model"])
        if not self.CheckBlessing(input_dict):
            self._MarkNotPushed(pushed)
            return
        source = self.GetModelPath(input_dict)
        published = publish(Path(source), Path(folder), check_answer)
        how = "copied" if published.copied else "the newest version is this model already"
        logging.info("Version %s in %s: %s.", published.version, folder, how)
        io_utils.copy_dir(source, pushed.uri)
        self._MarkPushed(
            pushed,
            pushed_destination=str(published.folder),
            pushed_version=published.version,
        )
