"""Writes rows as shards of tf.Examples, and the ingest report. Imports decoding, no source."""
