"""The decoded bytes of an answer: gzip in small pieces, and a cap on how many there may be.

Decides nothing about the connection they come from.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from trunkline.errors import APIConnectionError, APIResponseValidationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .protocol import ByteSource

BODY_CAP = 32 * 1024 * 1024
"""Most decoded bytes of a whole answer."""

PIECE = 64 * 1024
"""Most bytes inflated at once, so that a bomb never stands in memory."""

_GZIP = zlib.MAX_WBITS | 16

_STREAMS = ("text/event-stream", "application/x-ndjson", "application/jsonl")


class Inflater:
    """Inflates gzip, at most ``PIECE`` bytes at a time."""

    __slots__ = ("_decoder", "_pending", "_started")

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(_GZIP)
        self._pending = b""
        self._started = False

    def feed(self, data: bytes) -> None:
        """Take compressed bytes; only after ``next_piece`` returned nothing."""
        self._pending += data

    def next_piece(self) -> bytes:
        """Return the next inflated bytes, ``b""`` when more input is needed.

        Raises:
            zlib.error: This is not gzip.
        """
        while self._pending:
            if self._decoder.eof:  # one member ended, another begins
                self._decoder = zlib.decompressobj(_GZIP)
            self._started = True
            piece = self._decoder.decompress(self._pending, PIECE)
            self._pending = self._decoder.unconsumed_tail or self._decoder.unused_data
            if piece:
                return piece
        # Output that did not fit the last piece is kept inside zlib, with no input left to show it.
        return self._decoder.decompress(b"", PIECE) if self._started else b""

    @property
    def is_complete(self) -> bool:
        """Whether the input may end here."""
        return self._decoder.eof or not self._started


def inflater_for(headers: Mapping[str, str], host: str) -> Inflater | None:
    """Return what decodes this answer, ``None`` where nothing is needed.

    Raises:
        APIResponseValidationError: An encoding we did not ask for.
    """
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding in {"", "identity"}:
        return None
    if encoding in {"gzip", "x-gzip"}:
        return Inflater()
    raise APIResponseValidationError(f"{host} answered in an encoding that was not asked for")


def cap_for(headers: Mapping[str, str], cap: int | None) -> int | None:
    """Return the cap on this answer: none for streams, whose decoders cap each event."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return None if kind in _STREAMS else cap


async def read_all(
    source: ByteSource, *, idle_s: float | None = None, cap: int = BODY_CAP
) -> bytes:
    """Read a whole answer and release its connection; at most ``cap`` decoded bytes.

    Raises:
        APIConnectionError: As ``ByteSource.read``.
        APIResponseValidationError: The answer is larger than the cap.
    """
    pieces: list[bytes] = []
    size = 0
    try:
        while size <= cap and (piece := await source.read(idle_s=idle_s)):
            size += len(piece)
            pieces.append(piece)
    except BaseException:
        source.abort()
        raise
    await source.close()
    if size > cap:
        raise too_large(cap)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def too_large(cap: int) -> APIResponseValidationError:
    """Return the error for an answer above the cap."""
    return APIResponseValidationError(f"the answer is larger than {cap / 2**20:g} MiB")


def bad_gzip(host: str) -> APIConnectionError:
    """Return the error for compressed bytes that are broken or cut short."""
    return APIConnectionError(f"{host} sent a compressed answer that is broken or cut short")
