"""How TensorFlow starts: with oneDNN's kernels, and quietly where people read the output."""

from __future__ import annotations

import os
import sys
import tempfile


def prefer_onednn() -> None:
    """Asks for oneDNN's kernels; works only before TensorFlow is imported.

    TensorFlow takes them by itself on processors with AVX-512 VNNI and later. On one with AVX2
    alone they shorten a train step too (docs/speed.md). `TF_ENABLE_ONEDNN_OPTS=0` refuses them.
    """
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def import_tensorflow() -> None:
    """Imports TensorFlow and looks for devices; standard error does not show meanwhile.

    TensorFlow's libraries write some notes before they read `TF_CPP_MIN_LOG_LEVEL`. If the import
    fails they are written out after all, as they may say why.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as notes:
        os.dup2(notes.fileno(), 2)
        try:
            import tensorflow as tf

            tf.config.list_physical_devices()
        except BaseException:
            notes.seek(0)
            os.write(kept, notes.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
