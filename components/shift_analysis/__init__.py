"""Where a model loses under shift, and what its embedding knows: tables and numbers, no verdict."""
