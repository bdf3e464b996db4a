"""What a model must reach, and the judgement. Imports statistics; no TFX, no files but the policy."""
