"""Multiclass models at the gate: their tables, and confusion matrices. Imports nothing of the gate."""
