"""Networks from images to embeddings, and their registry."""
