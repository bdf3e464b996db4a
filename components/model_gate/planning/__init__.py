"""How many patients a policy takes: simulates them, and judges as the gate does."""
