"""Multiclass models at the gate: tables, confusion matrices. Imports nothing of the gate."""
