"""A run on this machine. Imports pipeline.config and pipeline.graph."""
