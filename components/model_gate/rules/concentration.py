"""Warnings where few patients, or few of the images, decide a domain's figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from components.statistics.intervals import Interval

# Fewer equal patients than this share of those there are: a few of them decide. Patients of 1 to 30
# images, most of them few, are worth a third to a half.
_LEAST_SHARE = 0.25
_APART = 0.05


def warnings(metrics: Mapping[str, Mapping[str, Interval]]) -> Iterator[str]:
    """One for each domain in which images by image and by patient tell two things."""
    for domain, found in metrics.items():
        by_image, by_patient = found.get("auc"), found.get("auc_by_patient")
        if by_image is None or by_patient is None or not (by_image.judged and by_patient.judged):
            continue
        patients = min(by_image.by_class.values(), default=0)
        if by_image.effective < _LEAST_SHARE * patients:
            yield (
                f"{domain}: few patients have most of the images; by image, {patients} patients of "
                f"the smaller class say as much as {by_image.effective:.0f} of one image each, "
                f"by patient as much as {by_patient.effective:.0f}"
            )
        if abs(by_image.value - by_patient.value) > _APART:
            yield (
                f"{domain}: the AUC is {by_image.value:.3f} by image and {by_patient.value:.3f} by "
                "patient; patients with many images differ from the others"
            )
