"""Calls the exported and the pushed models, the former in a clean process too. Imports rules."""
