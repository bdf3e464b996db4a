"""Keyed hashes in place of the identities of patients, studies, slides and images.

A plain hash of a patient number can be undone by trying every number; an HMAC can't be without
the key. The key is a file (or an environment variable) that never enters an artifact or a log.
"""

from __future__ import annotations

import hmac
import os
import secrets

from trainer_modules.errors import InputError

KEY_VARIABLE = "REMEDIS_ID_KEY"
_SYNTHETIC_KEY = b"synthetic patients need no secret"
_SHORTEST = 16


class Pseudonyms:
    """Replaces identities by 32 hex digits, the same for the same key."""

    def __init__(self, key: bytes):
        self._key = key

    def patient(self, identity: str) -> str:
        """Pseudonym of a patient."""
        return self._hash("patient", identity)

    def image(self, identity: str) -> str:
        """Pseudonym of an image."""
        return self._hash("image", identity)

    def study(self, identity: str) -> str:
        """Pseudonym of a study; nothing for one that is not known."""
        return self._hash("study", identity) if identity else ""

    def slide(self, identity: str) -> str:
        """Pseudonym of a slide; nothing for one that is not known."""
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


def ensure_key_file(path: str) -> str:
    """Makes a random key at `path`, readable by its owner only, unless there is one already."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32) + "\n")
    return path
