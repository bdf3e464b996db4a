"""Multiclass models at the gate: confusion matrices. Imports nothing of the gate."""
