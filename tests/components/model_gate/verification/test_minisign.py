"""Signatures against a published one, minisign itself where it is installed, and forgeries."""

import base64
import hashlib
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from components.model_gate.verification import minisign
from schemas.errors import InputError

# The example of minisign's own documentation: a signature of the four bytes "test".
PUBLISHED_KEY = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"
PUBLISHED = """untrusted comment: signature from minisign secret key
RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=
trusted comment: timestamp:1556193335\tfile:test
y/rUw2y8/hOUYjZU71eHp/Wo1KZ40fGy2VJEDl34XMJM+TX48Ss/17u3IvIfbVR1FkZZSNCisQbuQY+bHwhEBg==
"""
# Made by minisign 0.11 with -W, for these tests alone.
PLAIN = """untrusted comment: minisign encrypted secret key
RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAtCdSJzyms1Ek6CpH9OAa6u+ii7asgEOz+kutktSlP2fMSSaSlVAouIHmjH2IHe1TDB8clUYL+VbRGctNtsZlxCamFFV8EKIBAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
"""
PLAIN_KEY = "RWS0J1InPKazUYHmjH2IHe1TDB8clUYL+VbRGctNtsZlxCamFFV8EKIB"
# The same with the password `secret`, which takes a gigabyte and some seconds.
LOCKED = """untrusted comment: minisign encrypted secret key
RWRTY0IyuLa/i8qy/VfQoYHxSHD3cAMzerJMFhqq1yDRUqHyGBkAAAACAAAAAAAAAEAAAAAAeOBj2gprhBxhQWPPXcqys+3o5CJ1wgWMehPaHvt14bwZ67vb5qwSvBEzhjP/EwnT/oJvz4gFl3RptWb9d+8NtS3f907I4mXH4CS0wr2/bByOe9xOrw+loOy43v0c+J6HzgwRaCmaP7s=
"""
LOCKED_KEY = "RWTqFwucjCYzUqmBypfhS0eUdGnmFI1F6sNvg+WzMtfFblUAxlwyc3+L"


@pytest.fixture
def place(tmp_path):
    def write(name: str, content: str | bytes) -> str:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


@pytest.fixture
def signed(place) -> str:
    file = place("verdict.json", '{"blessed": true}')
    minisign.sign(file, minisign.secret_key(place("plain.key", PLAIN)), "blessed, model é")
    return file


def test_published_signature_is_valid(place):
    file = place("test", b"test")
    place("test.minisig", PUBLISHED)
    assert minisign.problem(file, minisign.public_key(PUBLISHED_KEY)) == ""
    place("test", b"Test")
    assert minisign.problem(file, minisign.public_key(PUBLISHED_KEY)) != ""


def test_own_signature_is_valid_for_its_key_alone(signed, place):
    assert minisign.problem(signed, minisign.public_key(PLAIN_KEY)) == ""
    file = place("key.pub", f"untrusted comment: minisign public key\n{PLAIN_KEY}\n")
    assert minisign.problem(signed, minisign.public_key(file)) == ""
    other = minisign.public_key(PUBLISHED_KEY)
    assert minisign.problem(signed, other) == "another key signed it"
    # The id of a key is no secret: the key itself decides.
    forged = other._replace(key_id=minisign.public_key(PLAIN_KEY).key_id)
    assert minisign.problem(signed, forged) == "the signature is of other content"


@pytest.mark.skipif(not shutil.which("minisign"), reason="minisign is not installed")
def test_minisign_itself_agrees(signed, place):
    command = ["minisign", "-V", "-P", PLAIN_KEY, "-m", signed]
    assert "blessed, model é" in subprocess.run(command, capture_output=True, text=True).stdout
    key = place("plain.key", PLAIN)
    subprocess.run(["minisign", "-S", "-W", "-s", key, "-m", signed], check=True)
    assert minisign.problem(signed, minisign.public_key(PLAIN_KEY)) == ""


def test_changed_content_comment_and_signature_are_found(signed, place):
    key = minisign.public_key(PLAIN_KEY)
    lines = Path(f"{signed}.minisig").read_text(encoding="utf-8").splitlines()

    def with_lines(**changed: str) -> str:
        given = (changed.get(f"at{number}", line) for number, line in enumerate(lines))
        place("verdict.json.minisig", "\n".join(given))
        return minisign.problem(signed, key)

    assert with_lines() == ""
    assert with_lines(at0="untrusted comment: anything") == ""
    assert with_lines(at2=lines[2].replace("blessed", "refused")) == (
        "the signature's comment was changed"
    )
    made = bytearray(base64.b64decode(lines[1]))
    made[-1] ^= 1
    assert with_lines(at1=base64.b64encode(made).decode()) == "the signature is of other content"
    legacy = b"Ed" + base64.b64decode(lines[1])[2:]
    assert "not a signature of a file's digest" in with_lines(at1=base64.b64encode(legacy).decode())
    assert with_lines() == ""
    place("verdict.json", '{"blessed": true }')
    assert minisign.problem(signed, key) == "the signature is of other content"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"x",
        b"\xff\xfe\x00",
        b"\n" * 9,
        PUBLISHED.encode()[:-30],
        b"a\nb\ntrusted comment: c\nd",
    ],
)
def test_damaged_signature_is_no_signature(signed, place, content):
    place("verdict.json.minisig", content)
    assert minisign.problem(signed, minisign.public_key(PLAIN_KEY)) != ""


def test_missing_signature(place):
    file = place("verdict.json", "{}")
    assert "there is no '" in minisign.problem(file, minisign.public_key(PLAIN_KEY))


@pytest.mark.slow
def test_key_with_a_password(place):
    key = place("locked.key", LOCKED)
    assert minisign.has_password(key)
    file = place("verdict.json", "{}")
    minisign.sign(file, minisign.secret_key(key, b"secret"), "")
    assert minisign.problem(file, minisign.public_key(LOCKED_KEY)) == ""
    with pytest.raises(InputError, match="the password is wrong"):
        minisign.secret_key(key, b"Secret")


def locked(password: bytes, operations: int, memory: int, cost: int, parallel: int) -> str:
    """A key file built by the format's description, with scrypt's numbers by hand."""
    raw = base64.b64decode(PLAIN.splitlines()[1])[54:]
    open_part = raw[:72] + hashlib.blake2b(b"Ed" + raw[:72], digest_size=32).digest()
    salt = bytes(range(32))
    stream = hashlib.scrypt(password, salt=salt, n=cost, r=8, p=parallel, maxmem=1 << 28, dklen=104)
    hidden = bytes(a ^ b for a, b in zip(open_part, stream, strict=True))
    head = b"EdScB2" + salt + struct.pack("<QQ", operations, memory)
    return f"untrusted comment: x\n{base64.b64encode(head + hidden).decode()}\n"


@pytest.mark.parametrize(
    ("operations", "memory", "cost", "parallel"),
    # libsodium: memory bounds the cost and operations the rest, or operations bound the cost.
    [(524288, 16777216, 1 << 14, 1), (32768, 1 << 30, 1 << 10, 1), (1 << 20, 1 << 20, 1 << 10, 32)],
)
def test_scrypt_has_the_numbers_of_libsodium(place, operations, memory, cost, parallel):
    key = place("key", locked(b"pass", operations, memory, cost, parallel))
    assert minisign.secret_key(key, b"pass") == minisign.secret_key(place("plain", PLAIN))
    with pytest.raises(InputError, match="has a password, and none is given"):
        minisign.secret_key(key)


def test_key_that_asks_for_too_much_memory_is_refused(place):
    content = bytearray(base64.b64decode(LOCKED.splitlines()[1]))
    content[38:54] = struct.pack("<QQ", 1 << 60, 1 << 50)
    key = place("key", f"untrusted comment: x\n{base64.b64encode(content).decode()}\n")
    with pytest.raises(InputError, match="asks for a scrypt that minisign does not make"):
        minisign.secret_key(key, b"x")


@pytest.mark.parametrize("content", ["", "x\ny\n", PUBLISHED, PLAIN[:-40], "\x00" * 200])
def test_what_is_no_key_is_refused_without_being_quoted(place, content):
    file = place("key", content)
    for read in (minisign.public_key, minisign.secret_key):
        with pytest.raises(InputError, match=r" key '.*key' is not one of minisign") as error:
            read(file)
        assert PLAIN.splitlines()[1][:40] not in str(error.value)


def test_damaged_secret_key_without_a_password_is_found(place):
    content = bytearray(base64.b64decode(PLAIN.splitlines()[1]))
    content[70] ^= 1
    key = place("key", f"untrusted comment: x\n{base64.b64encode(content).decode()}\n")
    with pytest.raises(InputError, match="the file is damaged"):
        minisign.secret_key(key)
