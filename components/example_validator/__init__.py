"""TFX's ExampleValidator, which holds the unlabeled split to the schema's own environment."""
