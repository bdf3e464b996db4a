"""Predictions of an exported classifier on original files, decoded as ingestion decodes them.

    from components.predictor.predict import predict

    table = predict("runs/cxr", "new_images/")

The command `python -m components.predictor` writes the same table to a file.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from components.image_example_gen.decoding import images as decoding
from components.image_example_gen.writing.tf_records import serialize_example
from components.predictor.originals import output as tables
from components.predictor.originals.images import Item, decode, open_images
from components.predictor.originals.pushed import Classifier, model_digest, open_classifier
from schemas import features
from schemas.errors import InputError
from trainer_modules.training.tensorflow_start import import_tensorflow, prefer_onednn

if TYPE_CHECKING:
    import pandas as pd

    from components.predictor.inference import ExamplesModel

BATCH_SIZE = 32
_SECONDS_BETWEEN_LINES = 5.0

Entry = tuple[Item, str, tables.Row]
Say = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What `predict_to_file` wrote: all rows, earlier ones, and those left out, by reason."""

    rows: int
    resumed: int
    left_out: Counter[str]


def predict(
    model: str | os.PathLike[str],
    images: str | os.PathLike[str],
    part: str = "",
    batch_size: int = BATCH_SIZE,
) -> pd.DataFrame:
    """Probabilities and decisions for original files.

    Args:
        model: A SavedModel, a folder of pushed versions, or the output of a run.
        images: A folder, a manifest (CSV or Parquet), or an image.
        part: Data set whose settings apply, if the model was trained on several.
        batch_size: Images per call of the model.

    Returns:
        One row per image: `image`, `patient_id`, `domain`, `site`, labels and subgroups if the
        manifest has them, `score` and `decision` (with `/NAME` if there are several), and
        `statistic/NAME` of the image and `left_out`, the reason why there is no score.

    Raises:
        InputError: The model or the images can't be used.
    """
    import pandas as pd

    classifier = open_classifier(os.fspath(model), part)
    opened = open_images(os.fspath(images), classifier.task, classifier.data)
    columns = tables.Columns(classifier.task, opened)
    batches = _batches(classifier, columns, opened.items(), batch_size)
    table = pd.DataFrame([row for batch in batches for *_, row in batch], columns=columns.names)
    return table.astype(dict.fromkeys(columns.numbers, "float32"))


def predict_to_file(
    model: str,
    images: str,
    output: str,
    part: str = "",
    batch_size: int = BATCH_SIZE,
    say: Say = lambda text: None,
) -> Outcome:
    """Writes the table of `predict`; goes on where an earlier call with the same output ended.

    Args:
        model: See `predict`.
        images: See `predict`.
        output: File to write; its suffix, .csv or .parquet, decides on the format.
        part: See `predict`.
        batch_size: See `predict`.
        say: Shows a line of progress.

    Raises:
        InputError: The model, the images or the output can't be used.
    """
    path = tables.check_output(output)
    if path.exists() and os.path.exists(images) and path.samefile(images):
        raise InputError(f"--output '{output}' is what --images names: give another file")
    classifier = open_classifier(model, part)
    written = (str(path), str(tables.unfinished_path(path)))
    opened = open_images(images, classifier.task, classifier.data, written)
    columns = tables.Columns(classifier.task, opened)
    total = opened.count()
    if not total:
        raise InputError(f"images '{images}': the folder contains no file")
    request = {
        "model": model_digest(classifier.folder),
        "data": classifier.data.model_dump(mode="json"),
        "images": str(Path(images).resolve()),
        "columns": columns.names,
    }
    unfinished = tables.UnfinishedRows(path, request)
    try:
        resumed, items = unfinished.resume(opened.items())
        say(f"model {classifier.folder}: {total:,} files" + _done_before(resumed))
        progress = _Progress(say, resumed)
        for batch in _batches(classifier, columns, items, batch_size):
            unfinished.add(batch)
            progress.add(len(batch))
        reasons = Counter(row[-1].partition(":")[0] for row in unfinished.rows() if row[-1])
        unfinished.finish(path, columns)
    finally:
        unfinished.close()
    return Outcome(progress.rows, resumed, reasons)


def _done_before(rows: int) -> str:
    return f", {rows:,} rows exist from an earlier start" if rows else ""


def _batches(
    classifier: Classifier, columns: tables.Columns, items: Iterator[Item], size: int
) -> Iterator[list[Entry]]:
    """Rows of the items, in order; loads TensorFlow only for the first item."""
    first = next(items, None)
    if first is None:
        return
    prefer_onednn()
    import_tensorflow()
    from components.predictor.inference import ExamplesModel

    model = ExamplesModel(str(classifier.folder), classifier.task.targets)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        items = itertools.chain([first], items)
        while batch := list(itertools.islice(items, size)):
            yield _predicted(model, classifier, columns, batch, pool)


def _predicted(
    model: ExamplesModel,
    classifier: Classifier,
    columns: tables.Columns,
    batch: Iterable[Item],
    pool: ThreadPoolExecutor,
) -> list[Entry]:
    import tensorflow as tf

    # Stamps first: a file that changes in the meantime is predicted again.
    stamped = [(item, item.stamp()) for item in batch]
    read = list(pool.map(lambda pair: _record(pair[0], classifier), stamped))
    records = [record for record, _, _ in read if record]
    found = model.predict(tf.constant(records)) if records else {}
    entries, place = [], 0
    for (item, stamp), (record, left_out, statistics) in zip(stamped, read, strict=True):
        values = None
        if record:
            values = {name: float(column[place]) for name, column in found.items()}
            place += 1
        entries.append((item, stamp, columns.row(item, values, left_out, statistics)))
    return entries


def _record(item: Item, classifier: Classifier) -> tuple[bytes, str, list[float]]:
    """The tf.Example of an image as ingestion stores it, or why there is none; its statistics."""
    if item.left_out:
        return b"", item.left_out, []
    data = classifier.data
    try:
        pixels = decode(item, data).pixels
        stored = decoding.store(pixels, data.stored_size, data.encoding, data.jpeg_quality)
    except decoding.Rejected as rejected:
        return b"", f"{rejected.reason}: {rejected.detail}", []
    known = vars(stored) | vars(stored.quality)
    statistics = [float(known[name]) for name in tables.STATISTICS]
    return serialize_example({features.IMAGE_ENCODED: stored.encoded}), "", statistics


class _Progress:
    """A line every few seconds."""

    def __init__(self, say: Say, resumed: int):
        self._say = say
        self._resumed = self.rows = resumed
        self._started = self._last = time.monotonic()

    def add(self, rows: int) -> None:
        """Counts rows."""
        self.rows += rows
        now = time.monotonic()
        if now - self._last >= _SECONDS_BETWEEN_LINES:
            self._last = now
            speed = (self.rows - self._resumed) / (now - self._started)
            self._say(f"{self.rows:,} images, {speed:.1f} per second")
