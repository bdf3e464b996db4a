"""The old name of the shift command."""

import sys

if __name__ == "__main__":
    print("error: `components.shift` has moved; run python -m components.shift_analysis", file=sys.stderr)
    sys.exit(2)
