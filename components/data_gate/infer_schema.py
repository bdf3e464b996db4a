"""Writes a first schema from statistics of a user's own data, for review and refinement.

python -m components.data_gate.infer_schema --statistics FOLDER --output schema.pbtxt
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from schemas import features
from schemas.errors import InputError


def infer_schema(statistics: str, split: str, output: str) -> None:
    """Infers a schema with TFDV and writes it as text.

    Args:
        statistics: folder of a StatisticsGen artifact, with Split-<name> folders.
        split: whose statistics are taken.
        output: path of the schema; a file that is there is not overwritten.

    Raises:
        InputError: the statistics are not there, or the output is.
    """
    path = os.path.join(statistics, f"Split-{split}", "FeatureStats.pb")
    if not os.path.isfile(path):
        raise InputError(
            f"--statistics {statistics}: no Split-{split}/FeatureStats.pb in it; give the folder "
            "of a run's StatisticsGen/statistics, and a --split that it has"
        )
    if os.path.exists(output):
        raise InputError(f"--output {output} exists already; give another path, or move the file")
    import tensorflow_data_validation as tfdv
    from tensorflow_metadata.proto.v0 import schema_pb2

    schema = tfdv.infer_schema(tfdv.load_stats_binary(path), infer_feature_shape=False)
    for feature in schema.feature:
        # The values of one data set do not list all possible ones.
        if feature.name in (features.IMAGE_ID, features.PATIENT_ID):
            domain = feature.domain
            feature.ClearField("domain_info")
            kept = [entry for entry in schema.string_domain if entry.name != domain]
            del schema.string_domain[:]
            schema.string_domain.extend(kept)
    # Statistics omit raw bytes.
    if features.IMAGE_ENCODED not in {feature.name for feature in schema.feature}:
        schema.feature.add(name=features.IMAGE_ENCODED, type=schema_pb2.BYTES)
    tfdv.write_schema_text(schema, output)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = argparse.ArgumentParser(description="Infers a starting schema from statistics.")
    parser.add_argument("--statistics", required=True, help="folder of a StatisticsGen artifact")
    parser.add_argument("--split", default=features.TRAIN, choices=features.SPLITS)
    parser.add_argument("--output", required=True, help="the schema.pbtxt to write")
    given = parser.parse_args(arguments)
    try:
        infer_schema(given.statistics, given.split, given.output)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"Wrote {given.output}: review it, and refine what it leaves open.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
