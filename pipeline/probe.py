"""The old name of the probe command."""

import sys

if __name__ == "__main__":
    print("error: `pipeline.probe` has moved; run python -m pipeline.local.probe", file=sys.stderr)
    sys.exit(2)
