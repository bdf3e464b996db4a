"""Custom TFX components, a folder each: component.py, executor.py, settings.py and plain logic."""

from __future__ import annotations


def __getattr__(name: str) -> type:
    """Artifact types by the names that TFX knows them by; imported (with TFX) when asked for."""
    if name.endswith("Report"):
        from components import artifact_types

        return getattr(artifact_types, name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
