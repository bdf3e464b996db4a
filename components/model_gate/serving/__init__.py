"""Loads and calls the exported model in a clean process. Imports no rules."""
