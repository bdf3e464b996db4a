"""One self-contained page and a machine-readable summary of the run."""
