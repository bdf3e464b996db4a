"""Signatures in the format of minisign: Ed25519 over a file's BLAKE2b, with a signed comment.

The format is public (jedisct1.github.io/minisign) and has tools for every system; Ed25519 itself is
that of `cryptography`, which is imported when a key is used.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.atomic_write import replacing
from schemas.errors import InputError
from schemas.printable import printable

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

SUFFIX = ".minisig"
_LONG = b"ED"  # of a file's digest
_KEY = b"Ed"
_SCRYPT, _NO_PASSWORD, _BLAKE2 = b"Sc", b"\0\0", b"B2"
_COMMENT, _TRUSTED = "untrusted comment: ", "trusted comment: "
_MOST_BYTES = 1 << 16
# Of scrypt: what minisign itself uses at most.
_MOST_MEMORY = 1 << 31
_SECRET = struct.Struct("<2s2s2s32sQQ104s")


class PublicKey(NamedTuple):
    """Whose signature is accepted."""

    key_id: bytes
    raw: bytes


class SecretKey(NamedTuple):
    """Who signs; `raw` is the seed."""

    key_id: bytes
    raw: bytes


def public_key(given: str) -> PublicKey:
    """Reads a file of `minisign -G`, or the line of base64 that it prints.

    Raises:
        InputError: It is neither.
    """
    text = (
        given if given.startswith("RW") and not Path(given).exists() else _read(given, "public key")
    )
    content = _decoded(text.strip().splitlines()[-1:], f"public key '{given}'", 42)
    if not content.startswith(_KEY):
        raise InputError(f"public key '{given}' is not one of minisign")
    return PublicKey(content[2:10], content[10:])


def secret_key(path: str, password: bytes | None = None) -> SecretKey:
    """Reads a secret key of `minisign -G`.

    Args:
        path: The file.
        password: Of a key that has one.

    Raises:
        InputError: It is not a secret key, or the password is wrong or missing.
    """
    lines = _read(path, "secret key").strip().splitlines()
    what = f"secret key '{path}'"
    content = _decoded(lines[-1:], what, _SECRET.size)
    algorithm, kdf, checksum, salt, operations, memory, hidden = _SECRET.unpack(content)
    if (algorithm, checksum) != (_KEY, _BLAKE2) or kdf not in (_SCRYPT, _NO_PASSWORD):
        raise InputError(f"{what} is not one of minisign")
    if kdf == _SCRYPT:
        if password is None:
            raise InputError(f"{what} has a password, and none is given")
        stream = _stretched(password, salt, operations, memory, what)
        hidden = bytes(one ^ other for one, other in zip(hidden, stream, strict=True))
    key_id, key, expected = hidden[:8], hidden[8:72], hidden[72:]
    if kdf == _SCRYPT:
        found = hashlib.blake2b(algorithm + key_id + key, digest_size=32).digest()
    else:
        # Without a password there is no such digest; the key's second half is its public key.
        found, expected = _private(key[:32]).public_key().public_bytes_raw(), key[32:]
    if not hmac.compare_digest(found, expected):
        raise InputError(f"{what}: the password is wrong, or the file is damaged")
    return SecretKey(key_id, key[:32])


def has_password(path: str) -> bool:
    """Whether a secret key's file needs a password."""
    lines = _read(path, "secret key").strip().splitlines()
    return _decoded(lines[-1:], f"secret key '{path}'", _SECRET.size)[2:4] == _SCRYPT


def sign(path: str, key: SecretKey, comment: str) -> Path:
    """Writes a file's signature beside it, `FILE.minisig`; returns its path.

    Raises:
        InputError: The file can't be read, or the signature not be written.
    """
    private = _private(key.raw)
    signature = private.sign(_digest(path))
    comment = printable(comment)
    sealed = private.sign(signature + comment.encode())
    lines = (
        f"{_COMMENT}signature of a verdict of the model gate",
        base64.b64encode(_LONG + key.key_id + signature).decode(),
        f"{_TRUSTED}{comment}",
        base64.b64encode(sealed).decode(),
    )
    target = Path(f"{path}{SUFFIX}")
    try:
        with replacing(target) as partial:
            partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"signature '{target}' can't be written: {error.strerror}") from None
    return target


def problem(path: str, key: PublicKey) -> str:
    """Why a file has no valid signature beside it; empty if it has one.

    Raises:
        InputError: The file can't be read.
    """
    place = f"{path}{SUFFIX}"
    if not Path(place).exists():
        return f"there is no '{place}'; `sign` writes it"
    try:
        lines = _read(place, "signature").splitlines()
        if len(lines) != 4 or not lines[2].startswith(_TRUSTED):
            return f"'{place}' is not a signature of minisign"
        made = _decoded(lines[1:2], "signature", 74)
        sealed = _decoded(lines[3:4], "signature", 64)
    except InputError as error:
        return str(error)
    if made[:2] != _LONG:
        return f"'{place}' is not a signature of a file's digest (minisign without -l makes one)"
    if made[2:10] != key.key_id:
        return "another key signed it"
    public = _public(key.raw)
    from cryptography.exceptions import InvalidSignature

    try:
        public.verify(made[10:], _digest(path))
    except InvalidSignature:
        return "the signature is of other content"
    try:
        public.verify(sealed, made[10:] + lines[2].removeprefix(_TRUSTED).encode())
    except InvalidSignature:
        return "the signature's comment was changed"
    return ""


def _digest(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, hashlib.blake2b).digest()
    except OSError as error:
        raise InputError(f"'{path}' can't be read: {error.strerror}") from None


def _read(path: str, what: str) -> str:
    try:
        with open(path, "rb") as stream:
            content = stream.read(_MOST_BYTES)
        return content.decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise InputError(f"{what} '{path}' can't be read: {reason}") from None


def _decoded(lines: list[str], what: str, size: int) -> bytes:
    try:
        content = base64.b64decode("".join(lines), validate=True)
    except (binascii.Error, ValueError):
        content = b""
    if len(content) != size:
        raise InputError(
            f"{what} is not one of minisign: its last line is not {size} bytes of base64"
        )
    return content


def _stretched(password: bytes, salt: bytes, operations: int, memory: int, what: str) -> bytes:
    """Scrypt with the numbers that libsodium derives from limits of operations and memory."""
    operations = max(operations, 1 << 15)
    block = 8
    if operations < memory // 32:
        parallel, most = 1, operations // (block * 4)
        cost = _power_below(most)
    else:
        cost = _power_below(memory // (block * 128))
        parallel = min(operations // 4 // cost, 0x3FFFFFFF) // block
    needed = 128 * block * (cost + parallel + 2)
    if needed > _MOST_MEMORY or cost < 2 or parallel < 1:
        raise InputError(f"{what} asks for a scrypt that minisign does not make")
    return hashlib.scrypt(
        password, salt=salt, n=cost, r=block, p=parallel, maxmem=needed + (1 << 20), dklen=104
    )


def _power_below(most: int) -> int:
    """The smallest power of 2, from 2 on, above half of `most`."""
    power = 2
    while power <= most // 2:
        power *= 2
    return power


def _private(raw: bytes) -> Ed25519PrivateKey:
    return _ed25519().Ed25519PrivateKey.from_private_bytes(raw)


def _public(raw: bytes) -> Ed25519PublicKey:
    return _ed25519().Ed25519PublicKey.from_public_bytes(raw)


def _ed25519() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        raise InputError(
            "signatures need the package 'cryptography', which is not installed; install it in "
            f"the environment of {sys.executable}"
        ) from None
    return ed25519
