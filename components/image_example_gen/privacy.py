"""Keyed hashes that replace the identities of patients, studies, slides and images.

A plain hash of a patient number can be reversed by trying all numbers; an HMAC can't, without its
key. The key is in a file or an environment variable and never enters an artifact or a log.
"""

from __future__ import annotations

import contextlib
import csv
import glob
import hmac
import os
import secrets
from types import TracebackType
from typing import Self

from schemas.atomic_write import replacing
from schemas.errors import InputError

KEY_VARIABLE = "REMEDIS_ID_KEY"
_SYNTHETIC_KEY = b"synthetic patients need no secret"
_SHORTEST = 16


class Pseudonyms:
    """Replaces identities with 32 hex digits, which depend only on identity and key."""

    def __init__(self, key: bytes):
        self._key = key

    def patient(self, identity: str) -> str:
        """Pseudonym of a patient."""
        return self._hash("patient", identity)

    def image(self, identity: str) -> str:
        """Pseudonym of an image."""
        return self._hash("image", identity)

    def study(self, identity: str) -> str:
        """Pseudonym of a study; empty if the study is unknown."""
        return self._hash("study", identity) if identity else ""

    def slide(self, identity: str) -> str:
        """Pseudonym of a slide; empty if the slide is unknown."""
        return self._hash("slide", identity) if identity else ""

    def _hash(self, kind: str, identity: str) -> str:
        # File names need not be UTF-8.
        message = f"{kind}\x1f{identity}".encode(errors="surrogateescape")
        return hmac.digest(self._key, message, "sha256")[:16].hex()


def read_key(source: str, id_key_file: str) -> bytes:
    """Returns the key: a constant for synthetic data, else the file's, else the environment's.

    Raises:
        InputError: there is no key, or it is too short to protect anything.
    """
    if source == "synthetic":
        return _SYNTHETIC_KEY
    if id_key_file:
        origin = f"id key file '{id_key_file}'"
        try:
            with open(id_key_file, "rb") as file:
                key = file.read().strip()
        except OSError as error:
            raise InputError(f"{origin} cannot be read: {error.strerror}") from error
    else:
        origin = f"environment variable {KEY_VARIABLE}"
        key = os.environ.get(KEY_VARIABLE, "").encode()
        if not key:
            raise InputError(
                "no key to hash patient ids with: name a file in data.id_key_file or set "
                f"{KEY_VARIABLE} to {_SHORTEST} or more random characters"
            )
    if len(key) < _SHORTEST:
        raise InputError(
            f"{origin} holds {len(key)} characters: give {_SHORTEST} or more random ones"
        )
    return key


class IdMapping:
    """Table of identities and their pseudonyms, readable only by its owner; appears once complete.

    It reverses pseudonymization, so it is stored beside the key, never among the artifacts.
    """

    COLUMNS = ("kind", "identity", "pseudonym")

    def __init__(self, id_key_file: str):
        """Constructs the table.

        Args:
            id_key_file: the key's file; the table is written to its folder.

        Raises:
            InputError: the key has no file.
        """
        if not id_key_file:
            raise InputError(
                "data.id_mapping is written beside the key's file, but the key comes from the "
                f"environment variable {KEY_VARIABLE}: name a file in data.id_key_file"
            )
        self.path = f"{id_key_file}.mapping.csv"
        self._closing = contextlib.ExitStack()
        self._seen: set[str] = set()

    def __enter__(self) -> Self:
        folder, name = os.path.split(self.path)
        for left in glob.iglob(f".{glob.escape(name)}.*.part", root_dir=folder or "."):
            os.remove(os.path.join(folder, left))  # left with identities by a run that was killed
        with contextlib.ExitStack() as opening:
            partial = opening.enter_context(replacing(self.path))
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            # File names need not be UTF-8.
            file = os.fdopen(
                descriptor, "w", newline="", encoding="utf-8", errors="surrogateescape"
            )
            self._table = csv.writer(opening.enter_context(file))
            self._table.writerow(self.COLUMNS)
            self._closing = opening.pop_all()
        return self

    def add(self, kind: str, identity: str, pseudonym: str) -> None:
        """Writes an identity once; images occur once anyway, so their identities are not kept."""
        if not identity or pseudonym in self._seen:
            return
        if kind != "image":
            self._seen.add(pseudonym)
        self._table.writerow([kind, identity, pseudonym])

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.__exit__(kind, error, trace)


def ensure_key_file(path: str) -> str:
    """Creates a random key at `path`, readable only by its owner, unless the file exists."""
    if os.path.lexists(path):
        return path
    # Under another name first: a full disk must not leave an empty key, which no run accepts.
    partial = f"{path}.{secrets.token_hex(4)}.part"
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32) + "\n")
        try:
            os.link(partial, path)
        except FileExistsError:
            pass  # another process came first
        except OSError:  # a file system without hard links
            os.replace(partial, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(partial)
    return path
