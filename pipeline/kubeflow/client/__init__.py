"""Talks to a Kubeflow server: submit, schedule, compare. Imports the compiler."""
