"""Checks of the data and their outcomes. Imports schemas and task settings."""
