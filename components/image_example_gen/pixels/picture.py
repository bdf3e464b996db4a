"""What decoding returns: pixels, how their range was found, and what was guessed."""

from __future__ import annotations

import dataclasses

import numpy as np

# Codes of the ingest report, explained in docs/intensity.md.
RANGE_GUESSED = "range_guessed"
BITS_EXCEEDED = "declared_bits_exceeded"
BITS_CONTRADICTED = "bits_contradicted"
SIGN_GUESSED = "sign_guessed"
WINDOW_UNUSABLE = "window_unusable"
RESCALE_UNUSABLE = "rescale_unusable"
PADDING_GUESSED = "padding_guessed"
POLARITY_GUESSED = "polarity_guessed"
HEADER_REPAIRED = "header_repaired"
FRAMES_CONTRADICTED = "frames_contradicted"
SYNTAX_CONTRADICTED = "transfer_syntax_contradicted"
SEVERAL_PICTURES = "several_pictures"
CONSTANT = "constant"
NEARLY_CONSTANT = "nearly_constant"
FEW_LEVELS = "few_levels"
BLURRED = "blurred"
DARK = "dark"
BLANK = "blank"
LOW_INFORMATION = "low_information"
ODD_ASPECT = "odd_aspect"

AS_STORED = "as stored"


@dataclasses.dataclass(frozen=True)
class Picture:
    """A decoded image.

    Attributes:
        pixels: uint8, [height, width] or [height, width, 3].
        rule: how the range was found: `as stored`, `declared 12 bits`, `guessed 12 bits`,
            `VOI table`, `window`, `values`, `percentiles`, `fixed`.
        low: value that is shown black (white if the image is inverted).
        high: value that is shown white.
        inverted: whether small values are shown white.
        flags: codes of what was guessed, each once.
        container: kind of file, such as `PNG`; empty where there is no file.
    """

    pixels: np.ndarray
    rule: str = AS_STORED
    low: float = 0.0
    high: float = 255.0
    inverted: bool = False
    flags: tuple[str, ...] = ()
    container: str = ""
