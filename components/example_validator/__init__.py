"""TFX's ExampleValidator, which checks the unlabeled split in an environment of its own."""
