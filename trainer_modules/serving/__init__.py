"""JPEG and PNG files in an exported model's graph, as ingestion stores them. Imports input."""
