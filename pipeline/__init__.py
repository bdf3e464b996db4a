"""Configuration and wiring: from a preset to a TFX pipeline and its runs."""
