"""Custom TFX components, a folder each: component.py, executor.py, settings.py, framework-free logic."""
