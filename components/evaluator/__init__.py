"""TFX's Evaluator, with TFMA's verdict on cross-slice thresholds corrected."""
