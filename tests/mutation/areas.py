"""What `make mutate` mutates, and the tests that must notice."""

from __future__ import annotations

from typing import NamedTuple


class Area(NamedTuple):
    """Modules, and the files or folders with their tests, from the root of the repository."""

    sources: tuple[str, ...]
    tests: tuple[str, ...]


AREAS = {
    "losses": Area(
        (
            "trainer_modules/contrastive/ntxent.py",
            "trainer_modules/contrastive/projection.py",
            "trainer_modules/supervised/classifier.py",
            "trainer_modules/input/class_weights.py",
            "trainer_modules/input/mixup.py",
        ),
        (
            "tests/trainer_modules/contrastive",
            "tests/trainer_modules/supervised",
            "tests/trainer_modules/input/test_class_weights.py",
            "tests/trainer_modules/input/test_mixup.py",
        ),
    ),
    "optimizers": Area(
        (
            "trainer_modules/training/optimizers.py",
            "trainer_modules/supervised/bit_hyperrule.py",
        ),
        (
            "tests/trainer_modules/training/test_optimizers.py",
            "tests/trainer_modules/supervised/test_bit_hyperrule.py",
        ),
    ),
    "augmentation": Area(
        (
            "trainer_modules/augmentation/color.py",
            "trainer_modules/augmentation/geometry.py",
            "trainer_modules/augmentation/views.py",
            "trainer_modules/augmentation/warp.py",
        ),
        ("tests/trainer_modules/augmentation",),
    ),
    "decisions": Area(
        (
            "trainer_modules/decisions/operating_point.py",
            "trainer_modules/decisions/calibration.py",
            "trainer_modules/input/label_fraction.py",
        ),
        (
            "tests/trainer_modules/decisions",
            "tests/trainer_modules/input/test_label_fraction.py",
        ),
    ),
    "splits": Area(
        (
            "components/image_example_gen/plan.py",
            "components/image_example_gen/rows/splits.py",
            "components/image_example_gen/rows/units.py",
        ),
        (
            "tests/components/image_example_gen/test_plan.py",
            "tests/components/image_example_gen/rows",
        ),
    ),
    "decoding": Area(
        (
            "components/image_example_gen/decoding/formats.py",
            "components/image_example_gen/decoding/images.py",
            "components/image_example_gen/decoding/tiff.py",
            "components/image_example_gen/decoding/dicom/*.py",
            "components/image_example_gen/pixels/*.py",
        ),
        (
            "tests/components/image_example_gen/decoding/dicom",
            "tests/components/image_example_gen/decoding/test_formats.py",
            "tests/components/image_example_gen/decoding/test_images.py",
            "tests/components/image_example_gen/decoding/test_tiff.py",
            "tests/components/image_example_gen/pixels",
        ),
    ),
    "statistics": Area(
        ("components/statistics/*.py",),
        ("tests/components/statistics",),
    ),
    "rules": Area(
        ("components/model_gate/rules/*.py",),
        ("tests/components/model_gate/rules",),
    ),
    "wiring": Area(
        (
            "pipeline/config/*_settings.py",
            "pipeline/config/config.py",
            "pipeline/config/curated_schema.py",
            "trainer_modules/settings/*.py",
            "pipeline/graph/beam_options.py",
            "pipeline/graph/*_nodes.py",
            "pipeline/graph/*_pipeline.py",
            "pipeline/graph/*_config.py",
        ),
        ("tests/pipeline/config", "tests/pipeline/graph", "tests/trainer_modules/settings"),
    ),
}
