"""Which of pydicom's plugins decodes a frame, and where.

Of the plugins, only GDCM decodes all lossless JPEG and JPEG-LS, but it aborts the whole process on
some damaged files. So it runs in its own process, which may die or hang, after all other plugins.
"""

from __future__ import annotations

import io
import logging
import multiprocessing
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, BinaryIO

from components.image_example_gen.decoding.dicom.errors import Damaged, Unusable

if TYPE_CHECKING:
    import numpy as np
    from pydicom import Dataset
    from pydicom.pixels.decoders.base import Decoder
    from pydicom.uid import UID

    from components.image_example_gen.decoding.dicom.layout import Layout

_APART = "gdcm"
_SECONDS = 120
_VARIANT = "variant"


def stated_syntax(header: Dataset) -> UID:
    """Returns the transfer syntax of a header."""
    from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    syntax = header.file_meta.get("TransferSyntaxUID") if hasattr(header, "file_meta") else None
    if not syntax:
        # For files without a preamble, pydicom found out the encoding.
        implicit, little = header.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        syntax = ImplicitVRLittleEndian if implicit else explicit
    return UID(syntax)


def require_decoder(syntax: UID) -> None:
    """Raises Unusable if no plugin decodes a transfer syntax; the message names one that could."""
    from pydicom.pixels import get_decoder

    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        raise Unusable(f"transfer syntax {syntax.name} ({syntax}) is not supported") from None
    if not decoder.is_available:
        raise Unusable(_needs_plugin(decoder))


def read_frame(file: BinaryIO, frame: int, layout: Layout) -> np.ndarray:
    """Returns the samples of a frame as stored, colors as RGB.

    Args:
        file: open for reading.
        frame: counted from 0.
        layout: layout of the pixels.

    Raises:
        Unusable: no plugin decodes them.
        Damaged: the decoder failed on them.
    """
    from pydicom.pixels import get_decoder
    from pydicom.uid import JPEGBaseline8Bit, JPEGExtended12Bit

    request = (layout.element.offset, frame, str(layout.syntax), layout.options())
    decoder = get_decoder(layout.syntax)
    if not layout.syntax.is_encapsulated:
        return _with_plugin(file, "", *request)
    for plugin in decoder.available_plugins:
        if plugin != _APART:
            try:
                return _with_plugin(file, plugin, *request)
            except RuntimeError:
                continue  # this plugin does not support the variant
    if _APART in decoder.available_plugins:
        try:
            return _child.run(file, *request)
        except RuntimeError:
            pass
    # All installed plugins failed. One more plugin knows another variant of JPEG.
    twelve_bits = layout.syntax in (JPEGBaseline8Bit, JPEGExtended12Bit) and layout.stored > 8
    if twelve_bits and decoder.missing_dependencies:
        raise Unusable(_needs_plugin(decoder))
    raise Damaged(f"transfer syntax {layout.syntax.name}: the data are damaged")


def _with_plugin(
    file: BinaryIO, plugin: str, offset: int, frame: int, syntax: str, options: dict[str, object]
) -> np.ndarray:
    from pydicom.pixels import get_decoder

    file.seek(offset)
    samples, _ = get_decoder(syntax).as_array(file, index=frame, decoding_plugin=plugin, **options)
    return samples.astype(samples.dtype.newbyteorder("="), copy=False)


def _needs_plugin(decoder: Decoder) -> str:
    needs = "; or ".join(decoder.missing_dependencies)
    return f"transfer syntax {decoder.UID.name} needs another plugin to be installed: {needs}"


class _Child:
    """The process that GDCM may crash; started on first use, and again after a crash."""

    def __init__(self) -> None:
        self._running: tuple[subprocess.Popen[bytes], Connection] | None = None
        self._owner = 0

    def run(
        self, file: BinaryIO, offset: int, frame: int, syntax: str, options: dict[str, object]
    ) -> np.ndarray:
        """Decodes a frame in that process.

        Raises:
            RuntimeError: GDCM does not know the variant.
            Damaged: it crashed on the data or did not finish.
        """
        source = getattr(file, "name", None)
        if not isinstance(source, str):
            file.seek(0)
            source = file.read()
        # A forked worker inherits its parent's child process and must not talk to it.
        if self._running is None or self._owner != os.getpid():
            self._running, self._owner = self._start(), os.getpid()
        process, line = self._running
        try:
            line.send((source, offset, frame, syntax, options))
            if line.poll(_SECONDS):
                values, problem = line.recv()
                if problem == _VARIANT:
                    raise RuntimeError("GDCM does not know the variant")
                if problem:
                    raise Damaged(f"the data are damaged ({problem})")
                return values
        except (EOFError, OSError):
            pass
        process.kill()
        process.wait()
        self._running = None
        raise Damaged("the data are damaged so badly that the decoder crashed")

    @staticmethod
    def _start() -> tuple[subprocess.Popen[bytes], Connection]:
        # Neither a fork, which would hang on TensorFlow's threads, nor multiprocessing's spawn,
        # which would run the caller's script again.
        line, theirs = multiprocessing.Pipe()
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        return process, line


_child = _Child()


def _serve(line: Connection) -> None:
    """Answers requests until the other end closes."""
    while True:
        try:
            source, *request = line.recv()
        except EOFError:
            return
        answer: tuple[np.ndarray | None, str]
        try:
            is_data = isinstance(source, bytes)
            with io.BytesIO(source) if is_data else open(source, "rb") as file, silence():
                answer = _with_plugin(file, _APART, *request), ""
        except RuntimeError:
            answer = None, _VARIANT
        except Exception as error:  # noqa: BLE001 (damaged files raise nearly anything)
            answer = None, type(error).__name__
        line.send(answer)


@contextmanager
def silence() -> Iterator[None]:
    """Keeps pydicom's warnings, which quote values, out of the logs."""
    logger = logging.getLogger("pydicom")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


if __name__ == "__main__":
    _serve(Connection(int(sys.argv[1])))
