"""Data sets and formats that are read as downloaded: one module for each `data.source`."""
