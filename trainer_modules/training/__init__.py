"""The loop and what it needs: optimizers, checkpoints, devices, precision. Knows no objective."""
