"""Names in the tf.Example contract, for ingestion, training, evaluation and serving."""

from typing import Final, Literal

IMAGE_ENCODED = "image/encoded"
IMAGE_ID = "image/id"
IMAGE_HEIGHT = "image/height"
IMAGE_WIDTH = "image/width"
IMAGE_MEAN = "image/mean"
IMAGE_STD = "image/std"
IMAGE_BORDER_MEAN = "image/border_mean"
IMAGE_BORDER_STD = "image/border_std"
CORNERS = tuple(
    f"{corner}_{statistic}"
    for corner in ("top_left", "top_right", "bottom_left", "bottom_right")
    for statistic in ("mean", "std")
)
"""Columns of ingestion's index."""
PATIENT_ID = "patient_id"
STUDY_ID = "study_id"
SLIDE_ID = "slide_id"
SITE = "site"
DOMAIN = "domain"

Domain = Literal["in_distribution", "shifted"]
IN_DISTRIBUTION: Final = "in_distribution"
SHIFTED: Final = "shifted"
DOMAINS: tuple[Domain, Domain] = (IN_DISTRIBUTION, SHIFTED)

UNLABELED = "unlabeled"
TRAIN = "train"
VALIDATION = "validation"
TEST = "test"
SPLITS = (UNLABELED, TRAIN, VALIDATION, TEST, SHIFTED)
EVALUATED_SPLITS = (VALIDATION, TEST, SHIFTED)

SERVING_SIGNATURE = "serving_default"
EXAMPLES_SIGNATURE = "tf_examples"
EMBED_SIGNATURE = "embed"
EMBED_EXAMPLES_SIGNATURE = "embed_examples"
# Output of signatures that take files: why one is refused; empty if it is not.
REFUSED = "image/refused"


def label(name: str) -> str:
    """Feature of a label: float 0/1, or the class index as a float."""
    return f"label/{name}"


def label_weight(name: str) -> str:
    """Feature of a label's weight: 0 when the label is unknown or masked, else 1."""
    return f"label/{name}/weight"


def subgroup(name: str) -> str:
    """Feature of a subgroup column: a string, `unknown` if the source has none."""
    return f"subgroup/{name}"


def prediction(target: str) -> str:
    """Feature of a predicted probability, in the Predictor's examples."""
    return f"prediction/{target}"


def decision(target: str) -> str:
    """Feature (and signature output) of the 0/1 decision at the target's operating point."""
    return f"decision/{target}"


def uncalibrated(target: str) -> str:
    """A predicted probability before calibration, in the table of predictions."""
    return f"uncalibrated/{target}"


def statistic(name: str) -> str:
    """Column of a number that describes an image, such as its mean, in a table of predictions."""
    return f"statistic/{name}"
