"""The old name of the shift command."""

import sys

sys.exit("error: `components.shift` has moved; run python -m components.shift_analysis")
