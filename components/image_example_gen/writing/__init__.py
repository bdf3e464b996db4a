"""Rows to tf.Example shards, and the report of an ingestion. Imports decoding, no source."""
