"""Pushed models that are gone from where they were pushed: their Pusher must push again."""

from __future__ import annotations

from pathlib import Path

from absl import logging
from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration import metadata

from components.pusher.publish import digests, holds_model
from schemas.errors import InputError

_TYPE = "PushedModel"


def retire_lost_models(connection: metadata.ConnectionConfigType) -> list[str]:
    """Marks what was pushed and is gone or damaged as deleted, so that it is no cached result.

    Returns:
      The places of these models.
    """
    with metadata.Metadata(connection) as handle:
        lost = [one for one in handle.store.get_artifacts_by_type(_TYPE) if _is_lost(one)]
        for artifact in lost:
            artifact.state = metadata_store_pb2.Artifact.DELETED
        if lost:
            handle.store.put_artifacts(lost)
    places = [_place(artifact) for artifact in lost]
    for place in places:
        logging.warning("The model pushed to %s is gone or damaged.", place)
    return places


def _is_lost(artifact: metadata_store_pb2.Artifact) -> bool:
    place = _place(artifact)
    pushed = artifact.custom_properties["pushed"].int_value
    if artifact.state != metadata_store_pb2.Artifact.LIVE or not pushed or "://" in place:
        return False
    if not holds_model(Path(place)):
        return True
    try:
        return digests(Path(place)) != digests(Path(artifact.uri))
    except (OSError, InputError):
        return True


def _place(artifact: metadata_store_pb2.Artifact) -> str:
    return artifact.custom_properties["pushed_destination"].string_value
