"""The old name of the shift command."""

import sys

if __name__ == "__main__":
    new_name = "components.shift_analysis"
    print(f"error: `components.shift` has moved; run python -m {new_name}", file=sys.stderr)
    sys.exit(2)
