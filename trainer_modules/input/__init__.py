"""From shards to batches: records, label fractions, pairs, mixup."""
