"""The old name of the probe command."""

import sys

if __name__ == "__main__":
    new_name = "pipeline.local.probe"
    print(f"error: `pipeline.probe` has moved; run python -m {new_name}", file=sys.stderr)
    sys.exit(2)
