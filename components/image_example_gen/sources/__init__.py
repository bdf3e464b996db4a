"""Sources of images, a module for each `data.source`. Imports decoding and tables."""
