"""One inference pass over the evaluated splits, shared by all stages that judge the model."""
