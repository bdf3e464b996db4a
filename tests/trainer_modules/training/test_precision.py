"""The rule that picks float32 or bfloat16."""

import pytest

from trainer_modules.settings import ModelSettings
from trainer_modules.training import precision

PUBLISHED, TINY = ModelSettings(), ModelSettings(units=(1, 1), root_filters=16)
AMX = frozenset({"amx_bf16", "sse"})


@pytest.mark.parametrize(
    ("setting", "model", "gpus", "flags", "expected"),
    [
        ("auto", PUBLISHED, [], AMX, "mixed_bfloat16"),
        ("auto", PUBLISHED, [], frozenset({"avx512_bf16"}), "mixed_bfloat16"),
        ("auto", PUBLISHED, [], frozenset({"avx2"}), "float32"),
        ("auto", TINY, [], AMX, "float32"),
        ("auto", TINY, [(9, 0)], frozenset(), "mixed_bfloat16"),
        ("auto", PUBLISHED, [(7, 5)], AMX, "float32"),
        ("auto", PUBLISHED, [(9, 0), (7, 5)], AMX, "float32"),
        ("float32", PUBLISHED, [(9, 0)], AMX, "float32"),
        ("mixed_bfloat16", TINY, [], frozenset(), "mixed_bfloat16"),
    ],
)
def test_rule(setting, model, gpus, flags, expected):
    assert precision.resolve(setting, model, gpus, flags) == expected
