"""What evaluation and gates compute with: bootstrap, intervals, DeLong, metrics. Knows no TFX, no files."""
