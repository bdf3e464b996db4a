"""The TFX graphs of the release and the study. Imports pipeline.config and the components."""
