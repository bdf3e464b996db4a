"""Views of an image for training and evaluation. Imports settings alone."""
