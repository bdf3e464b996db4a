"""Our TFX components, one folder each: component.py, executor.py, settings.py and plain logic."""

from __future__ import annotations


def __getattr__(name: str) -> type:
    """Returns an artifact type by its TFX name, and imports it (with TFX) only when requested."""
    if name.endswith("Report"):
        from components import artifact_types

        return getattr(artifact_types, name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
