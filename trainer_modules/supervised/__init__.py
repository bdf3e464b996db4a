"""The classifier, its recipes and its training. Imports training, input and backbones."""
