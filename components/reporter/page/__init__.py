"""The page: what it says, its charts and its templates. Imports no TFX."""
