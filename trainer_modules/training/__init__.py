"""The training loop, optimizers, checkpoints, devices, precision. Knows no objective."""
