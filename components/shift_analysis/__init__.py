"""Where a model gets worse under shift, and what its embedding encodes. Gives no verdict."""
