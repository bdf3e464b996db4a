"""What a verdict was made from, and how many models its test set has seen; imports the policy."""
