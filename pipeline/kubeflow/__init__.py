"""Runs on Kubeflow Pipelines: commands and arguments. Imports pipeline.config, graph and local."""
