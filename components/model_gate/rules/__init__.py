"""What a model must reach, and the judgement. Imports statistics and trainer_modules; no TFX."""
