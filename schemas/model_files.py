"""Files beside an exported SavedModel, by their paths in its folder."""

from __future__ import annotations

CARD = "assets.extra/card.json"
WEIGHTS = "assets.extra/encoder.weights.h5"
