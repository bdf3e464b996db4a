"""Where images come from, a module for each `data.source`. Imports decoding and tables."""
