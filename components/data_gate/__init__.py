"""Stops the run before training if the data are not fit for it."""
