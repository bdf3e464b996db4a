"""The page: what it says, its charts and its templates. Imports statistics; no TFX."""
