"""The data sets of the documentation, and the place where its commands run."""

import pytest

from tests.components.image_example_gen.sources.conftest import (
    archive,
    camelyon16,
    camelyon17,
    camelyon17_wilds,
    chexpert,
    folders,
    mimic_cxr,
    nih_cxr14,
    patches,
    prepared,
    write_examples,
    write_image,
    write_outlines,
    write_slide,
)
from tests.docs.made_data import films, findings, natural, records
from tests.docs.workplace import Workplace
from tests.pipeline.conftest import kubeflow

__all__ = [
    "archive", "camelyon16", "camelyon17", "camelyon17_wilds", "chexpert", "films", "findings",
    "folders", "kubeflow", "mimic_cxr", "natural", "nih_cxr14", "patches", "prepared", "records",
    "write_examples", "write_image", "write_outlines", "write_slide",
]  # fmt: skip


@pytest.fixture(scope="session")
def workplace(tmp_path_factory) -> Workplace:
    """A copy of the sources, with what earlier commands left."""
    return Workplace(tmp_path_factory.mktemp("workplace"))
