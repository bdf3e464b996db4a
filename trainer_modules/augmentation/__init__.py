"""Views of an image for training and evaluation. Imports only settings."""
