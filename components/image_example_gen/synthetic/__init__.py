"""Synthetic images that resemble chest films, for the demo. Imports no other source."""
