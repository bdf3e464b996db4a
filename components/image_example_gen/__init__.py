"""Image ingestion: every source becomes tf.Examples in patient-disjoint splits."""
