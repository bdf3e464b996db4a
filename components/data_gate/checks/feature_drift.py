"""How far apart two splits are: image statistics, names (TFDV's comparator), label fractions.

Image statistics are compared by the index and not by TFDV's histograms of ten buckets, in which
features that hardly vary are as far apart as any two can be.

Labels are compared by their counts in the ingest reports, because in the statistics an unknown
label is a 0 (with weight 0), which no comparator can tell from a known one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from components.data_gate.checks.distributions import FILE_FORMAT, Described, distances
from schemas import features
from schemas.documents.data_gate import Distance

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

LabelCounts = Mapping[str, Mapping[str, int]]

_IDS = (
    features.IMAGE_ENCODED,
    features.IMAGE_ID,
    features.PATIENT_ID,
    features.STUDY_ID,
    features.SLIDE_ID,
)
_LABELS = features.label("")
_MEASURES = {"L_INFTY": "L-infinity", "JENSEN_SHANNON_DIVERGENCE": "Jensen-Shannon"}
_UNKNOWN = "unknown"


def feature_distances(
    split: str,
    statistics: statistics_pb2.DatasetFeatureStatisticsList,
    baseline: statistics_pb2.DatasetFeatureStatisticsList,
    schema: schema_pb2.Schema,
    threshold: float,
    left_out: Collection[str] = (),
) -> list[Distance]:
    """Distance of every feature of names that both have, except ids and labels.

    Args:
        split: that the statistics are of.
        statistics: of the data that are judged.
        baseline: of the data that they are compared with.
        schema: the curated one; its `drift_comparator`s come first.
        threshold: of features to which the schema gives none.
        left_out: features that differ by design.
    """
    import tensorflow_data_validation as tfdv

    shared = _texts(statistics) & _texts(baseline)
    compared = {name for name in shared.difference(_IDS, left_out) if not name.startswith(_LABELS)}
    anomalies = tfdv.validate_statistics(
        statistics,
        _with_comparators(schema, compared, threshold),
        previous_statistics=baseline,
    )
    return [
        Distance(
            split=split,
            feature=info.path.step[0],
            measure=_MEASURES[kind],
            value=found.value,
            threshold=found.threshold,
        )
        for info in anomalies.drift_skew_info
        for found in info.drift_measurements
        if (kind := type(found).Type.Name(found.type)) in _MEASURES
    ]


def image_distances(
    split: str,
    described: Described,
    baseline: Described,
    schema: schema_pb2.Schema,
    threshold: float,
) -> list[Distance]:
    """Jensen-Shannon divergence of every image statistic, L-infinity distance of file formats.

    Args:
        split: that is judged.
        described: its images.
        baseline: the images that they are compared with.
        schema: the curated one; its `drift_comparator`s come first.
        threshold: of statistics to which the schema gives none.
    """
    own = {
        feature.name: feature.drift_comparator.jensen_shannon_divergence.threshold
        for feature in schema.feature
        if feature.drift_comparator.HasField("jensen_shannon_divergence")
    }
    found = []
    for name, histogram in described.numbers.items():
        measured = distances(name, histogram, baseline.numbers[name])
        if measured is not None:
            found.append(
                Distance(
                    split=split,
                    feature=name,
                    measure=_MEASURES["JENSEN_SHANNON_DIVERGENCE"],
                    value=measured.jensen_shannon,
                    threshold=own.get(name, threshold),
                )
            )
    here, there = _shares(described.formats), _shares(baseline.formats)
    if here and there:
        gap = _largest_gap(here, there)
        found.append(
            Distance(
                split=split,
                feature=FILE_FORMAT,
                measure=_MEASURES["L_INFTY"],
                value=gap,
                threshold=threshold,
            )
        )
    return found


def label_distances(
    split: str, counts: LabelCounts, baseline: LabelCounts, threshold: float
) -> list[Distance]:
    """L-infinity distance of the class fractions of each label, among images that have it."""
    found = []
    for label in counts.keys() & baseline.keys():
        here, there = _shares(counts[label]), _shares(baseline[label])
        if here and there:
            found.append(
                Distance(
                    split=split,
                    feature=features.label(label),
                    measure="L-infinity",
                    value=_largest_gap(here, there),
                    threshold=threshold,
                )
            )
    return sorted(found, key=lambda distance: distance.feature)


def _shares(counts: Mapping[str, int]) -> dict[str, float]:
    known = {name: count for name, count in counts.items() if name != _UNKNOWN}
    total = sum(known.values())
    return {name: count / total for name, count in known.items()} if total else {}


def _largest_gap(here: Mapping[str, float], there: Mapping[str, float]) -> float:
    return max(abs(here.get(name, 0) - there.get(name, 0)) for name in here.keys() | there.keys())


def _texts(statistics: statistics_pb2.DatasetFeatureStatisticsList) -> set[str]:
    return {
        name
        for name, feature in _features(statistics)
        if feature.WhichOneof("stats") not in (None, "num_stats")
    }


def _features(
    statistics: statistics_pb2.DatasetFeatureStatisticsList,
) -> Iterator[tuple[str, statistics_pb2.FeatureNameStatistics]]:
    for dataset in statistics.datasets:
        for feature in dataset.features:
            yield feature.name or feature.path.step[0], feature


def _with_comparators(
    schema: schema_pb2.Schema,
    compared: Collection[str],
    threshold: float,
) -> schema_pb2.Schema:
    """A schema of only the compared names, each with a comparator."""
    from tensorflow_metadata.proto.v0 import schema_pb2

    own = {feature.name: feature for feature in schema.feature}
    made = schema_pb2.Schema()
    for name in sorted(compared):
        feature = made.feature.add(name=name)
        feature.type = schema_pb2.BYTES
        if name in own and own[name].HasField("drift_comparator"):
            feature.drift_comparator.CopyFrom(own[name].drift_comparator)
        else:
            feature.drift_comparator.infinity_norm.threshold = threshold
    return made
