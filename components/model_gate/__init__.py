"""Decides whether a model may be pushed, and explains why."""
