"""Images that show little: how many of a site or class, and which are the worst."""

from __future__ import annotations

import functools
import heapq
from collections.abc import Callable, Iterator, Mapping

from components.data_gate.checks.index import Index
from schemas.documents.data_gate import Check, FlaggedImage, Severity
from schemas.documents.ingest import QUALITY_FLAGS, IngestReport
from schemas.errors import some_of

# Of fewer images, single ones are too large a fraction.
_LEAST_IMAGES = 20
_listed = functools.partial(some_of, most=4)

Row = Mapping[str, float]
# Flag -> how bad an image is, from columns of the index.
_BADNESS: dict[str, Callable[[Row], float]] = {
    "blank": lambda row: row["plain"],
    "blurred": lambda row: row["blur"],
    "dark": lambda row: 1 - row["brightness"],
    "low_information": lambda row: -row["entropy"],
    "odd_aspect": lambda row: max(
        row["source_width"] / row["source_height"], row["source_height"] / row["source_width"]
    ),
}
_MEASURED = ("plain", "blur", "brightness", "entropy", "source_width", "source_height")
_COLUMNS = ("flags", "split", "row", "image_id", *_MEASURED)


def quality(report: IngestReport, largest: float, action: Severity) -> Check:
    """Fractions of images with a flag of quality: of all, of each site and of each class.

    Args:
        report: of the ingestion.
        largest: fraction that is no finding yet.
        action: what a larger one does.
    """
    found = sorted(
        (
            (count / images, flag, where, count, images)
            for where, images, counts in _groups(report)
            for flag, count in counts.items()
            if flag in QUALITY_FLAGS and images >= _LEAST_IMAGES and count > largest * images
        ),
        reverse=True,
    )
    details = tuple(
        {"flag": flag, "of": where, "flagged": count, "images": images}
        for _, flag, where, count, images in found
    )
    counts = {flag: report.flags[flag] for flag in QUALITY_FLAGS if report.flags.get(flag)}
    flagged = ", ".join(f"{flag} {count}" for flag, count in counts.items()) or "none"
    message = f"images that show little: {flagged}; at most {largest:.0%} of any site or class"
    if found:
        shown = _listed(
            [
                f"{part:.0%} of {where} {flag} ({n} of {total})"
                for part, flag, where, n, total in found
            ]
        )
        message = (
            f"more than data_gate.quality_fraction {largest:g} of the images show little: {shown}; "
            "look at them by the rows in the report, and leave out what is not meant to be there"
        )
    return Check(name="quality", passed=not found, action=action, message=message, details=details)


def _groups(report: IngestReport) -> Iterator[tuple[str, int, Mapping[str, int]]]:
    """All images, each site and each class: its name, its size, and its images with each flag."""
    yield "all images", report.kept, report.flags
    for site, images in report.by_site.items():
        by_flag = {flag: where.sites.get(site, 0) for flag, where in report.flagged_by.items()}
        yield f"site={site}", images, by_flag
    for name, images in report.by_class.items():
        by_flag = {flag: where.classes.get(name, 0) for flag, where in report.flagged_by.items()}
        yield name, images, by_flag


def worst(index: Index, most: int) -> list[FlaggedImage]:
    """The worst images of each flag, the worst first.

    Args:
        index: of the ingestion.
        most: images of a flag; 0 looks for none.
    """
    heaps: dict[str, list[tuple[float, int, FlaggedImage]]] = {flag: [] for flag in QUALITY_FLAGS}
    for batch in index.batches(_COLUMNS) if most else ():
        for row in batch.to_pylist():
            for flag in set((row["flags"] or "").split(",")).intersection(QUALITY_FLAGS):
                image = FlaggedImage(
                    flag=flag, split=row["split"], row=row["row"], image=row["image_id"]
                )
                heapq.heappush(heaps[flag], (_BADNESS[flag](row), -row["row"], image))
                if len(heaps[flag]) > most:
                    heapq.heappop(heaps[flag])
    return [image for heap in heaps.values() for *_, image in sorted(heap, reverse=True)]
