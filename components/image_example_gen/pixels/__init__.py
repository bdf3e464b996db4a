"""What decoding returns: pictures, the policy for their gray levels, and reasons for rejection."""
