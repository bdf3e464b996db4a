"""What an embedding knows: linear and neighbor probes."""
