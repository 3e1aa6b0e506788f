"""Turn a request into ~24 numbers that say what *kind* of request it is.

Decides what the learner may see: shapes and word classes of the last user message, the length of
the conversation, the tools and formats asked for. Never the text itself, so that the log needs no
text to relearn from. Does not decide what any number is worth; that is learned.

Pure Python on purpose: encoding must work without numpy, in microseconds.
"""

from __future__ import annotations

import struct
from math import log2, sqrt
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
_MOST = 4.0  # no feature is further from 0, however long or odd the text
_SCALE = 256
_PACK = struct.Struct(f"<{D}h")
X_BYTES = _PACK.size
_HEAD, _TAIL = 3072, 1024  # what is looked at of a long text; its length counts in full

# Kinds of bytes; one pass writes them down, so that each is a count away.
_PLAIN, _DIGIT, _CAPITAL, _FORMULA, _CODE, _OTHER = range(6)
_BYTES_OF = {
    _DIGIT: b"0123456789",
    _CAPITAL: b"ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    _FORMULA: b"$\\^=+*<>",
    _CODE: b"{}[]_;`#",
    _PLAIN: b"abcdefghijklmnopqrstuvwxyz \t\r\n" + bytes(range(128, 256)),
}
_KINDS = bytes(
    next((kind for kind, among in _BYTES_OF.items() if c in among), _OTHER) for c in range(256)
)
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
# Classes of words that are counted; disjoint, so that one look-up per word finds its class.
# From 1 on, so that a word of no class is told by its None alone.
_CODE_WORDS, _PROBLEM_WORDS, _FUNCTION_WORDS, _PEOPLE_WORDS, _CHOICE_WORDS, _REASON_WORDS = range(
    1, 7
)
_CLASSES = (
    "function python code program script def return class import string array lambda regex sql"
    " javascript java rust html algorithm tuple api json bug compile",
    "many much total each times twice half per sum average percent cost costs dollars minutes"
    " hours days altogether remaining more less left number equal value",
    "the of a an in to and is are for on with that by at from it as be or",
    "he she his her they their him them i my we our you your me",
    "following options choices option choice correct answer answers statements",
    "explain reasoning step steps careful carefully thought why justify briefly",
)
_CLASS_OF = {word: code for code, text in enumerate(_CLASSES, 1) for word in _words(text)}
_CHOICE_LETTERS = (b"A.", b"B.")
_CHOICE_BRACKETS = (b"(A)", b"(B)", b"A)", b"B)", b"(1)", b"(2)")


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
    long = len(data) > _HEAD + _TAIL
    sample = data[:_HEAD] + b"\n" + data[-_TAIL:] if long else data
    asks = sum(params.get(name) is not None for name in ("tools", "functions", "response_format"))
    values = [
        BIAS,
        min(log2(16 + len(data)) / 2 - 4, _MOST),
        min(log2(1 + data.count(b"\n")) / 2, _MOST),
        *_shape(sample),
        min(log2(1 + turns) / 2, _MOST),
        min(asks + media, 3),
        min(log2(1 + beside / 64) / 2, _MOST),
    ]
    return _PACK.pack(*[round(v * _SCALE) for v in values])


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
    text: str | None = None
    beside = others = media = 0
    for message in reversed(_list(messages)):
        role, content, parts = _content(message)
        media += parts
        if text is None and role == "user":
            text = content
        else:
            beside += len(content)
            others += 1
    return text or "", beside, others, media


def _content(message: object) -> tuple[object, str, int]:
    """Return role, text and the number of parts that are no text."""
    if not isinstance(message, dict):
        return None, "", 0
    fields = cast("dict[str, object]", message)
    role, content = fields.get("role"), fields.get("content")
    if isinstance(content, str):
        return role, content, 0
    parts = _list(content)
    texts = [text for part in parts if (text := _text(part)) is not None]
    return role, "\n".join(texts), len(parts) - len(texts)


def _text(part: object) -> str | None:
    text = cast("dict[str, object]", part).get("text") if isinstance(part, dict) else None
    return text if isinstance(text, str) else None


def _list(value: object) -> Sequence[object]:
    return cast("Sequence[object]", value) if isinstance(value, list | tuple) else ()


def _shape(data: bytes) -> list[float]:
    """Features 3 to 20: shares of characters and words, openings and endings."""
    n = max(len(data), 1)
    folded = data.translate(_FOLD)
    words = folded.split()
    total = max(len(words), 1)
    classes = bytes(filter(None, map(_CLASS_OF.get, words)))
    count = [classes.count(code) for code in range(len(_CLASSES) + 1)]
    first = words[0] if words else b""
    last = data.rstrip()[-1:]
    kinds = data.translate(_KINDS)
    digits, formula, code = kinds.count(_DIGIT), kinds.count(_FORMULA), kinds.count(_CODE)
    marks = _CHOICE_LETTERS + _CHOICE_BRACKETS if b")" in data else _CHOICE_LETTERS
    choice_marks = sum([mark in data for mark in marks])
    return [
        min(len(folded.translate(None, b" ")) / total / 2 - 2.25, _MOST),
        2 * sqrt(digits / n),
        2 * sqrt(kinds.count(_CAPITAL) / n) - 0.25,
        4 * sqrt((kinds.count(_OTHER) + formula + code) / n) - 0.75,
        _few(count[_CODE_WORDS] + code / 8),
        4 * sqrt(formula / n),
        _few(count[_PROBLEM_WORDS] / 2 + min(digits, 4) / 4),
        _few(count[_CHOICE_WORDS] / 2 + choice_marks),
        float(first in _WHO),
        float(first in _WHAT),
        float(first in _HOW),
        float(first in _INSTRUCTION),
        float(last == b"?"),
        float(last == b"."),
        4 * count[_FUNCTION_WORDS] / total - 1,
        4 * count[_PEOPLE_WORDS] / total,
        4 * sqrt(data.count(b",") / n) - 0.25,
        _few(count[_REASON_WORDS]),
    ]


def _few(count: float) -> float:
    """Grow with a count but not for ever: 0, 0.67, 1, 1.33 at 0, 1, 2, 4, never above 2."""
    return 2 * count / (2 + count)
