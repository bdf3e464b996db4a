"""How TensorFlow starts: with oneDNN's kernels, and quietly in commands whose output is read."""

from __future__ import annotations

import os
import sys
import tempfile


def prefer_onednn() -> None:
    """Requests oneDNN's kernels; works only before TensorFlow is imported.

    TensorFlow uses them by default on processors with AVX-512 VNNI and later. They also shorten a
    train step on processors with only AVX2 (docs/speed.md). `TF_ENABLE_ONEDNN_OPTS=0` disables
    them.
    """
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def import_tensorflow() -> None:
    """Imports TensorFlow and lists devices, with standard error hidden.

    TensorFlow's libraries write messages before they read `TF_CPP_MIN_LOG_LEVEL`. If the import
    fails, the messages are shown, because they may tell why.
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
