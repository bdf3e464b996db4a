"""What a model must reach, and the judgment. Imports statistics and trainer_modules; no TFX."""
