"""Finds images of different splits that look alike, by the perceptual hashes of the index.

Two hashes of at most `bits` different bits agree in at least one of `bits + 1` bands (pigeonhole),
so only hashes that share a band are compared. Memory grows only with the number of images.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from components.data_gate.checks.findings import Look, NearDuplicates, Pair
from components.data_gate.checks.index import Index
from schemas import features

_LISTED = 1000
# A search ends here: with so many pairs, the splits or the number of bits are wrong.
_MOST = 100_000
_ROWS = 3
_WORDS = 4


def near_duplicates(index: Index, bits: int) -> NearDuplicates:
    """Pairs of images that look alike but have different pixels, over all pairs of splits."""
    hashes, splits, digests = _looks(index)
    found: dict[tuple[int, int], int] = {}
    for first, second, distances in candidates(hashes, bits):
        same = (digests[first] == digests[second]) & (digests[first] != 0)
        keep = (splits[first] != splits[second]) & ~same
        pairs = zip(first[keep], second[keep], distances[keep], strict=True)
        for a, b, distance in pairs:
            found[min(a, b), max(a, b)] = int(distance)
        if len(found) > _MOST:
            break
    closest = sorted(found.items(), key=lambda item: item[1])[:_LISTED]
    rows = _rows(index, {i for pair, _ in closest for i in pair}, hashes, splits)
    named = []
    for (a, b), distance in closest:
        first_look, second_look = sorted((rows[a], rows[b]), key=_order)
        named.append(Pair(distance, (first_look, second_look)))
    named.sort(key=lambda pair: (pair.bits, pair.looks[0].rows))
    return NearDuplicates(len(found), tuple(named))


def candidates(
    hashes: np.ndarray, bits: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yields places and distances of all pairs of hashes that differ in at most `bits` bits.

    Args:
        hashes: uint64, [hashes, words].
        bits: A pair that shares several bands is yielded several times.
    """
    columns = np.unpackbits(hashes.view(np.uint8), axis=1)
    # Neighboring coefficients are similar; bands of every n-th bit discriminate better.
    for band in range(bits + 1):
        keys = _numbers(columns[:, band :: bits + 1])
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        active = np.arange(len(order))
        for step in range(1, len(order)):
            active = active[active + step < len(order)]
            active = active[ordered[active] == ordered[active + step]]
            if not len(active):
                break
            first, second = order[active], order[active + step]
            distances = np.bitwise_count(hashes[first] ^ hashes[second]).sum(axis=1)
            near = distances <= bits
            if near.any():
                yield first[near], second[near], distances[near]


def _numbers(bits: np.ndarray) -> np.ndarray:
    """A number for each row of bits; equal for equal rows."""
    packed = np.packbits(bits, axis=1)
    if packed.shape[1] <= 8:
        wide = np.zeros((len(packed), 8), np.uint8)
        wide[:, : packed.shape[1]] = packed
        return wide.view(np.uint64).ravel()
    return np.unique(packed, axis=0, return_inverse=True)[1].ravel()


def _looks(index: Index) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct (hash, split): hashes, split numbers, and the digest if all images share it."""
    parts = [np.empty((0, _WORDS + 2), np.uint64)]
    for batch in index.batches(["phash", "split", "digest"]):
        texts, names, digests = (column.to_pylist() for column in batch.columns)
        shown = [place for place, text in enumerate(texts) if text]
        part = np.empty((len(shown), _WORDS + 2), np.uint64)
        part[:, :_WORDS] = _words([texts[place] for place in shown])
        part[:, _WORDS] = [features.SPLITS.index(names[place]) for place in shown]
        part[:, _WORDS + 1] = [int(digests[place][:16], 16) for place in shown]
        parts.append(part)
    rows = np.unique(np.concatenate(parts), axis=0)
    looks, starts, counts = np.unique(
        rows[:, : _WORDS + 1], axis=0, return_index=True, return_counts=True
    )
    digests = np.where(counts == 1, rows[starts, _WORDS + 1], 0)
    return np.ascontiguousarray(looks[:, :_WORDS]), looks[:, _WORDS], digests


def _words(texts: list[str]) -> np.ndarray:
    return np.frombuffer(bytes.fromhex("".join(texts)), np.uint64).reshape(-1, _WORDS)


def _rows(
    index: Index, wanted: set[int], hashes: np.ndarray, splits: np.ndarray
) -> Mapping[int, Look]:
    """The looks at some places with their manifest rows, from another pass over the index."""
    if not wanted:
        return {}
    names = {
        (hashes[place].tobytes().hex(), features.SPLITS[int(splits[place])]): place
        for place in wanted
    }
    rows: dict[int, list[tuple[int, str]]] = {place: [] for place in wanted}
    for batch in index.batches(["phash", "split", "row", "image_id"]):
        for phash, split, *row in zip(*(c.to_pylist() for c in batch.columns), strict=True):
            if (phash, split) in names:
                rows[names[phash, split]].append(tuple(row))
    return {
        place: Look(split, len(rows[place]), *zip(*sorted(rows[place])[:_ROWS], strict=True))
        for (_, split), place in names.items()
    }


def _order(look: Look) -> int:
    return features.SPLITS.index(look.split)
