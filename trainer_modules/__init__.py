"""Models, objectives, augmentation, input pipelines and the two Trainer entry points."""
