"""The page: its content, charts and templates. Imports no TFX."""
