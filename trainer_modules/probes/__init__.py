"""What an embedding knows: linear and neighbour probes."""
