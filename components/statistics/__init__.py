"""What gates compute with: bootstrap, intervals, DeLong, metrics. Knows no TFX or file."""
