"""Runs inside a pod. Imports pipeline.local; no compiler, no client."""
