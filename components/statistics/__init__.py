"""Bootstrap, intervals, DeLong and metrics, for evaluation and gates. Knows no TFX, no files."""
