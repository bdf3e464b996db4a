"""Stops the run before training when the data is not fit for it."""
