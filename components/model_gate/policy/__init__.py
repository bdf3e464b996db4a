"""What a model must show: the settings of the gate, and policy files."""
