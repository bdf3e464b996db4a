"""Which of TensorFlow's CPU kernels are used."""

from __future__ import annotations

import os


def prefer_onednn() -> None:
    """Asks for oneDNN's kernels; only works before TensorFlow is imported.

    TensorFlow takes them by itself on processors with AVX-512 VNNI and later. On one with AVX2
    alone they shorten a train step too (docs/speed.md). `TF_ENABLE_ONEDNN_OPTS=0` refuses them.
    """
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
