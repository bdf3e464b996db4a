"""What runs inside a pod. Imports pipeline.config; no compiler, no client."""
