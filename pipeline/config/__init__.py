"""The run configuration: settings, presets, overrides.

Imports no TensorFlow and no other part of pipeline.
"""
