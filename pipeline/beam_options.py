"""Beam command lines for each execution mode of the configuration."""

from __future__ import annotations

from pipeline.config import BeamSettings

# Workers here see the installed packages. Without a word on that, TFX builds a source package of
# itself for every Beam step (5 s each); the image's name is not used by these runners.
_INSTALLED = "--sdk_container_image=none"


def beam_pipeline_args(settings: BeamSettings) -> list[str]:
    """Arguments for `beam_pipeline_args` of the pipeline.

    The runner is always named: Beam's default tries to download a binary first.
    """
    if settings.runner == "in_memory":
        return ["--runner=FnApiRunner", _INSTALLED]
    return [
        "--runner=DirectRunner",
        "--direct_running_mode=multi_processing",
        f"--direct_num_workers={settings.workers}",
        _INSTALLED,
    ]
