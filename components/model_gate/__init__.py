"""Decides whether the model may be pushed, and says why."""
