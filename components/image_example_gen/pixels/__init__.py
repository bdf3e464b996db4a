"""What decoding gives: pictures, the policy of their gray levels, and why there is none."""
