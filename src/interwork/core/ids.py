"""Identifiers: opaque strings `kind-XXXXXXXXXX`, either fresh (time-ordered) or derived from what they name."""

import hashlib
import secrets
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def _encode(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, rest = divmod(number, 32)
        digits.append(_ALPHABET[rest])
    return "".join(reversed(digits))


def new_id(kind: str) -> str:
    """Make a fresh id: milliseconds since 1970 (10 digits) then 80 random bits (16 digits), so ids sort by age."""
    return f"{kind}-{_encode(time.time_ns() // 1_000_000, 10)}{_encode(secrets.randbits(80), 16)}"


def derived_id(kind: str, *parts: str) -> str:
    """Name something by what it is: the same parts give the same id, so a repeated step finds its first result."""
    digest = hashlib.sha256("\x1f".join(parts).encode()).digest()
    return f"{kind}-{_encode(int.from_bytes(digest[:16]), 26)}"


def kind_of(identifier: str) -> str:
    """Tell the kind an id was made with."""
    return identifier.partition("-")[0]


def digest_of(content: bytes) -> str:
    """Name content by its SHA-256, written `sha256:<hex>`."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
