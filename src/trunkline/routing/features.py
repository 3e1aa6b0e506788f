"""Turn a request into ~24 numbers that say what *kind* of request it is.

Decides what the learner may see: shapes and word classes of the last user message, the length of
the conversation, the tools and formats asked for. Never the text itself, so that the log needs no
text to relearn from. Does not decide what any number is worth; that is learned.

Pure Python on purpose: encoding must work without numpy, in microseconds.
"""

from __future__ import annotations

import struct
from math import log2, sqrt
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

FEATURE_VERSION = 1
NAMES = (
    "bias",
    "length",
    "lines",
    "word length",
    "digits",
    "capitals",
    "punctuation",
    "code",
    "formulas",
    "word problem",
    "multiple choice",
    "opens with who, when or where",
    "opens with what or which",
    "opens with how or why",
    "opens with an instruction",
    "ends with a question mark",
    "ends with a full stop",
    "function words",
    "people",
    "commas",
    "asks for reasons",
    "earlier turns",
    "tools, formats or media",
    "instructions beside the message",
)
D = len(NAMES)
BIAS = 4.0  # scaled up so that arm means move freely under the ridge
_SCALE = 256
_PACK = struct.Struct(f"<{D}h")
_HEAD, _TAIL = 3072, 1024  # what is looked at of a long text; its length counts in full

_DIGITS = b"0123456789"
_CAPITALS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SPACE = b" \t\r\n"
_LETTERS = _CAPITALS + _CAPITALS.lower() + bytes(range(128, 256))
_FORMULA = b"$\\^=+*<>"
_CODE = b"{}[]_;`#"
# One pass lowers the letters and turns what separates words into spaces.
_FOLD = bytes(
    c + 32 if 65 <= c <= 90 else c if chr(c).isalnum() or c == 39 or c > 127 else 32
    for c in range(256)
)


def _words(text: str) -> frozenset[bytes]:
    return frozenset(text.encode().split())


_WHO = _words("who whose whom when where")
_WHAT = _words("what which what's is are was were does do did can")
_HOW = _words("how why explain describe discuss compare summarize")
_INSTRUCTION = _words(
    "write create implement generate make give find complete choose list sort translate develop"
    " design build convert rewrite solve compute calculate evaluate simplify determine let"
)
_CODE_WORDS = _words(
    "function python code program script def return class import string array lambda regex sql"
    " javascript java rust html algorithm tuple api json bug compile"
)
_PROBLEM_WORDS = _words(
    "many much total each times twice half per sum average percent cost costs dollars minutes"
    " hours days altogether remaining more less left number equal value"
)
_FUNCTION_WORDS = _words("the of a an in to and is are for on with that by at from it as be or")
_PEOPLE_WORDS = _words("he she his her they their him them i my we our you your me")
_CHOICE_WORDS = _words("following options choices option choice correct answer answers statements")
_REASON_WORDS = _words("explain reasoning step steps careful carefully thought why justify briefly")
_CHOICE_MARKS = (b"(A)", b"(B)", b"A)", b"B)", b"A.", b"B.", b"(1)", b"(2)")


def encode(params: Mapping[str, Any]) -> bytes:
    """Encode a request's parameters as ``D`` little-endian int16, each 256 times the feature.

    The bytes are what the log keeps and what the learner reads, so a decision and its replay see
    the same numbers to the bit. Unknown or odd shapes of ``messages`` count as empty text; this
    never raises on what a caller may legally send.

    Args:
        params: The parameters of ``chat.completions.create``.
    """
    text, beside, turns, media = _read(params.get("messages"))
    data = text.encode("utf-8", "surrogatepass")
    if len(data) > _HEAD + _TAIL:
        sample = data[:_HEAD] + b"\n" + data[-_TAIL:]
    else:
        sample = data
    asks = sum(params.get(name) is not None for name in ("tools", "functions", "response_format"))
    values = [
        BIAS,
        log2(16 + len(data)) / 2 - 4,
        log2(1 + data.count(b"\n")) / 2,
        *_shape(sample),
        log2(1 + turns) / 2,
        min(asks + media, 3),
        log2(1 + beside / 64) / 2,
    ]
    return _PACK.pack(*(round(max(-4.0, min(4.0, v)) * _SCALE) for v in values))


def decode(x: bytes) -> NDArray[np.float64]:
    """Read logged features as float64, shape (D,); exact.

    Raises:
        ValueError: Another length than this version's.
    """
    import numpy as np

    if len(x) != _PACK.size:
        raise ValueError(f"features are {len(x)} bytes, not {_PACK.size}: another feature version")
    return np.frombuffer(x, dtype="<i2").astype(np.float64) / _SCALE


def _read(messages: object) -> tuple[str, int, int, int]:
    """Return the last user text, characters of the others, how many they are, and media parts."""
    if not isinstance(messages, list | tuple):
        return "", 0, 0, 0
    text, beside, others, media = "", 0, 0, 0
    found = False
    for message in reversed(messages):
        content, parts = _content(message)
        media += parts
        if not found and _role(message) == "user":
            text, found = content, True
        else:
            beside += len(content)
            others += 1
    return text, beside, others, media


def _role(message: object) -> object:
    return message.get("role") if isinstance(message, dict) else None


def _content(message: object) -> tuple[str, int]:
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, str):
        return content, 0
    if not isinstance(content, list | tuple):
        return "", 0
    texts = [
        part["text"]
        for part in content
        if isinstance(part, dict) and isinstance(part.get("text"), str)
    ]
    return "\n".join(texts), len(content) - len(texts)


def _shape(data: bytes) -> list[float]:
    """Features 3 to 20: shares of characters and words, openings and endings."""
    n = max(len(data), 1)
    words = data.translate(_FOLD).split()
    total = max(len(words), 1)
    first = words[0] if words else b""
    last = data.rstrip()[-1:]
    digits = n - len(data.translate(None, _DIGITS)) if data else 0
    capitals = n - len(data.translate(None, _CAPITALS)) if data else 0
    marks = len(data.translate(None, _LETTERS + _DIGITS + _SPACE))
    formulas = n - len(data.translate(None, _FORMULA)) if data else 0
    code = n - len(data.translate(None, _CODE)) if data else 0
    choice_marks = sum(mark in data for mark in _CHOICE_MARKS)
    return [
        sum(map(len, words)) / total / 2 - 2.25,
        2 * sqrt(digits / n),
        2 * sqrt(capitals / n) - 0.25,
        4 * sqrt(marks / n) - 0.75,
        _few(_count(words, _CODE_WORDS) + code / 8),
        4 * sqrt(formulas / n),
        _few(_count(words, _PROBLEM_WORDS) / 2 + min(digits, 4) / 4),
        _few(_count(words, _CHOICE_WORDS) / 2 + choice_marks),
        float(first in _WHO),
        float(first in _WHAT),
        float(first in _HOW),
        float(first in _INSTRUCTION),
        float(last == b"?"),
        float(last == b"."),
        4 * _count(words, _FUNCTION_WORDS) / total - 1,
        4 * _count(words, _PEOPLE_WORDS) / total,
        4 * sqrt(data.count(b",") / n) - 0.25,
        _few(_count(words, _REASON_WORDS)),
    ]


def _count(words: list[bytes], among: frozenset[bytes]) -> int:
    return sum(map(among.__contains__, words))


def _few(count: float) -> float:
    """Grow with a count but not for ever: 0, 0.67, 1, 1.33 at 0, 1, 2, 4, never above 2."""
    return 2 * count / (2 + count)
