"""The rules for a model, and the verdict. Imports statistics and trainer_modules; no TFX."""
