"""One inference pass over the evaluated splits, shared by every stage that judges the model."""
