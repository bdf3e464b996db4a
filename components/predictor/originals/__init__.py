"""Original files for `predict`: which model, which images, where the answers go. No TensorFlow."""
