"""Chest-film-like images made by formula, for the demo. Imports nothing of the other sources."""
