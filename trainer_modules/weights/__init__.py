"""First weights: BiT files, SavedModels, encoders of earlier runs."""
