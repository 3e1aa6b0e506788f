"""Ids of calls and blocks: UUIDv7, so that they sort by time and need no counter.

Python 3.11 has none.
"""

from __future__ import annotations

import re

_UUID7 = re.compile(r"([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def uuid7(now_ms: int, entropy: bytes) -> str:
    """Return a UUIDv7 (RFC 9562) as text.

    Args:
        now_ms: UTC epoch milliseconds, 48 bits.
        entropy: 10 random bytes; 74 bits of them are used.

    Raises:
        ValueError: ``now_ms`` does not fit, or there are other than 10 bytes.
    """
    if not 0 <= now_ms < 1 << 48 or len(entropy) != 10:
        raise ValueError("uuid7 takes 48 bits of milliseconds and 10 random bytes")
    random = int.from_bytes(entropy, "big")
    value = now_ms << 80 | 0x7 << 76 | (random >> 68) << 64 | 0b10 << 62 | random & (1 << 62) - 1
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def time_of(text: str) -> float | None:
    """Return when an id was made, in UTC epoch seconds; ``None`` for what is no UUIDv7."""
    found = _UUID7.fullmatch(text)
    return None if found is None else int(found[1] + found[2], 16) / 1000


def first_of(at: float) -> str:
    """Return what sorts before every id made at ``at`` or later."""
    digits = f"{max(0, int(at * 1000)):012x}"
    return f"{digits[:8]}-{digits[8:]}"
