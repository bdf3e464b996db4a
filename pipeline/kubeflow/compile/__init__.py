"""From a configuration to a pipeline file for Kubeflow. Imports pipeline.config and graph."""
