"""A streamed answer: chunks as they come, an honest end, and one settlement.

``StreamCore`` holds the rules; ``Stream`` and ``AsyncStream`` are its two faces. A stream that ends
without a finish reason never ends in silence: what came is delivered, then an error is raised.
"""

from __future__ import annotations

import os
import warnings
from collections import deque
from typing import TYPE_CHECKING

from trunkline._followup import answered
from trunkline._holds import Outcome
from trunkline._io.blocking import run_to_completion
from trunkline.errors import (
    APIError,
    APIResponseValidationError,
    APITimeoutError,
    StreamInterruptedError,
    TrunklineError,
)
from trunkline.providers.base import HoldsItsEnd, KnowsItsEnd
from trunkline.providers.endpoint import request_id
from trunkline.providers.joining import Joined, has_more
from trunkline.types.headers import handed_on

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

    from trunkline._holds import Hold
    from trunkline._io.protocol import IO, ByteSource
    from trunkline.providers.base import Decoder
    from trunkline.types.chat import ChatCompletion, ChatCompletionChunk
    from trunkline.types.routing import Routing

IDLE_AFTER_CONTENT_S = 60.0
LINGER_S = 0.05
OVERRUN_FACTOR = 4
OVERRUN_SLACK = 64  # tokens; a tiny cap is passed by what a provider adds of its own
MOST_EMPTY_CHUNKS = 10_000
AT_ONCE_S = 0.001  # what comes sooner was waiting for us
LONGEST_TOKEN = 16  # characters; no text is cut into longer ones on average
SLICE_BYTES = 4096


class Reading:
    """One stream being read: bytes to chunks, and what is known of the answer so far.

    Args:
        choices: How many answers were asked for.

    Attributes:
        joined: The answer as far as it came, for ``.partial`` and ``.response``.
        first_chunk_s: Seconds from the request to the first content.
        at_end: No more will be read.
    """

    def __init__(
        self, io: IO, source: ByteSource, decoder: Decoder, started: float, choices: int = 1
    ) -> None:
        self.io = io
        self.source = source
        self.decoder = decoder
        self.started = started
        self.joined = Joined(choices)
        self._end = decoder if isinstance(decoder, KnowsItsEnd) else None
        self._holder = decoder if isinstance(decoder, HoldsItsEnd) else None
        self.first_chunk_s: float | None = None
        self.at_end = False
        self._has_ended = False
        self._unread = b""
        self._at = 0  # how much of it was decoded
        self._waiting_since = started
        self._came_s = io.monotonic() - started

    @property
    def has_begun(self) -> bool:
        """Whether any of the answer has come, so that an error is no refusal any more."""
        return self.joined.chunks > 0 or self.decoder.usage is not None

    @property
    def has_finished(self) -> bool:
        """Whether all of the answer is here, be its finish reason said yet or not."""
        return self._is_held or self.joined.is_finished

    @property
    def _is_held(self) -> bool:
        return self._holder is not None and self._holder.holds_end

    @property
    def elapsed_s(self) -> float:
        """Seconds from the request to what was read last, without the caller's own in between.

        Bytes that we had to wait for came when they were read. Those that were waiting for us came
        at some moment while the caller was busy, and count as if that were its beginning.
        """
        return self.source.elapsed_extra_s or self._came_s

    def wait_from_now(self) -> None:
        """Begin to wait for the next event: limits are counted from here."""
        self._waiting_since = self._now()

    async def more(self, limit_s: float | None) -> list[ChatCompletionChunk]:
        """Decode the next bytes; return the chunks they complete, none at the end.

        The limit is on the whole wait and not on one read: bytes that complete no event, such as
        the comments that keep a connection alive, do not lengthen it.

        What one read brings is decoded in slices: chunks that live for a moment cost far less
        than a heap of them, and the first is delivered sooner.
        """
        if self._at >= len(self._unread):
            try:
                self._unread, self._at = await self._read(limit_s), 0
            except APIError:
                if not self._is_held:
                    raise
                self._unread, self._at = b"", 0  # all of the answer is here, so nothing is lost
        if self._unread:
            start, self._at = self._at, self._at + SLICE_BYTES
            new = self.decoder.feed(self._unread[start : self._at])
        else:
            new = self.decoder.close()
            self.at_end = self._has_ended = True
        self.joined.is_all = self._end is not None and self._end.is_done
        if self.decoder.error is not None or self.joined.is_all:
            self.at_end = True
        for chunk in new:
            self.joined.add(chunk)
        return new

    async def _read(self, limit_s: float | None) -> bytes:
        left_s = self._left_s(limit_s)
        if left_s is not None and left_s <= 0:
            raise APITimeoutError(f"no event came within {limit_s:g} s")
        before = self.io.monotonic()
        try:
            return await self.source.read(idle_s=left_s)
        finally:
            now = self.io.monotonic()
            took_s = now - before
            self._came_s = now - self.started if took_s > AT_ONCE_S else self._came_s + took_s

    def _now(self) -> float:
        return self.io.monotonic() + self.source.elapsed_extra_s

    def _left_s(self, limit_s: float | None) -> float | None:
        return None if limit_s is None else limit_s - (self._now() - self._waiting_since)

    async def until_content(self, limit_s: float | None) -> list[ChatCompletionChunk]:
        """Read until the caller would see something; till then a failure can still be hidden.

        Args:
            limit_s: Seconds from the request.
        """
        chunks: list[ChatCompletionChunk] = []
        while True:
            new = await self.more(limit_s)
            chunks += new
            if any(has_content(chunk) for chunk in new):
                self.first_chunk_s = self.elapsed_s
                return chunks
            if self.at_end:
                raise self.ending_error() or APIResponseValidationError(
                    "the stream ended without any content"
                )

    async def end(self) -> None:
        """Release the connection of an answer that is complete.

        The end of its body mostly follows its last event at once, and a connection that has seen it
        serves again; one that stays open is not waited for.
        """
        left_s = self._left_s(LINGER_S) or 0.0
        try:
            if not self._has_ended and left_s > 0:
                await self.source.read(idle_s=left_s)
        except APIError:
            return
        finally:
            await self.source.close()

    async def leave(self) -> None:
        """Stop reading; of an answer that is whole, its usage is still taken if it is at hand.

        All of it together takes ``LINGER_S`` at most.
        """
        if not self.has_finished:
            self.source.abort()
            return
        self.wait_from_now()
        try:
            while not self.at_end:
                await self.more(LINGER_S)
        except APIError:
            pass
        await self.end()

    def outcome(self, error: BaseException | None) -> Outcome:
        """Say what this exchange came to."""
        joined = self.joined
        return Outcome(
            usage=self.decoder.usage,
            served=joined.model,
            received_bytes=joined.output_bytes,
            is_whole=joined.is_finished and error is None,
            duration_s=self.elapsed_s,
            first_chunk_s=self.first_chunk_s,
            finish_reason=joined.finish_reason,
            request_id=request_id(self.source.headers),
            error=error,
        )

    def ending_error(self) -> APIError | None:
        """Return the error that belongs to the end of the stream, ``None`` for an honest one."""
        if self.decoder.error is not None:
            return self.decoder.error
        if self.joined.is_finished:
            return None
        return StreamInterruptedError(self.joined.why_unfinished)


class StreamCore:
    """The life of a stream after its first chunk: deliver, then settle exactly once.

    Args:
        io: The effects.
        hold: The call's money.
        reading: The open exchange.
        first: Chunks that have come, delivered first.
        adjusted: What was changed in the request, in words.
    """

    def __init__(
        self,
        io: IO,
        hold: Hold,
        reading: Reading,
        first: Iterable[ChatCompletionChunk],
        adjusted: tuple[str, ...],
    ) -> None:
        self.io = io
        self.hold = hold
        self.reading = reading
        self.ready = deque(first)
        self.routing: Routing | None = None
        self.is_closed = False
        self.adjusted = adjusted
        self._pid = os.getpid()
        hold.reading = reading
        read_s = hold.call.timeout.read_s
        self._idle_s = IDLE_AFTER_CONTENT_S if read_s is None else min(IDLE_AFTER_CONTENT_S, read_s)
        self._max_tokens = OVERRUN_FACTOR * hold.call.n * hold_cap(hold) + OVERRUN_SLACK

    async def next_chunk(self) -> ChatCompletionChunk | None:
        """Return the next chunk, ``None`` at the end.

        Raises:
            StreamInterruptedError: The stream broke; ``.partial`` holds what came.
            APITimeoutError: It stalled, or the deadline passed; ``.partial`` likewise.
        """
        self.reading.wait_from_now()  # the caller's own time is no stall
        while not self.ready:
            if self.is_closed:
                return None
            try:
                await self._advance()
            except BaseException as error:
                self._fail(error)
                raise
        return self.ready.popleft()

    async def finish(self) -> None:
        """Close early, or do nothing after the end: release the connection, settle as received."""
        self.ready.clear()
        if (self.is_closed and not self.hold.is_open) or self._pid != os.getpid():
            return
        try:
            self.is_closed = True
            await self.reading.leave()
            await self._settle()
        except BaseException as error:
            self._fail(error)
            raise

    def abandon(self) -> None:
        """Finaliser's way out: take no lock, run no SQL, cut the connection."""
        if self.is_closed or self._pid != os.getpid():
            return
        self.is_closed = True
        self.hold.end_later(self.reading.outcome(None))
        self.reading.source.abort()

    def routing_so_far(self) -> Routing:
        """Tell how the answer came about; complete once the stream has ended."""
        return self.routing or self.hold.routing(self.reading.outcome(None), self.adjusted)

    @property
    def response_headers(self) -> Mapping[str, str]:
        """The provider's response headers that are about the answer, such as rate limits."""
        return handed_on(self.reading.source.headers)

    @property
    def request_id(self) -> str | None:
        """The provider's id of the exchange, where it sent one."""
        return request_id(self.reading.source.headers)

    def response(self) -> ChatCompletion | None:
        """Join what has come so far into a completion; ``None`` if nothing has."""
        joined = self.reading.joined.completion(self.reading.decoder.usage)
        if joined is not None and self.routing is not None:
            joined.attach_routing(self.routing, self.response_headers)
        return joined

    async def _advance(self) -> None:
        reading = self.reading
        if not reading.at_end:
            await self.hold.renew(self.io)
            try:
                self.ready.extend(await reading.more(self._idle_s))
            except APIError as failure:
                if reading.joined.is_finished:  # all of the answer is here, so nothing is lost
                    reading.at_end = True
                elif isinstance(failure, APITimeoutError):
                    raise
                else:
                    raise _interrupted(failure) from None
            self._check_overrun()
        elif (ending := reading.ending_error()) is not None:
            raise _interrupted(ending)
        else:
            self.is_closed = True
            reading.wait_from_now()
            await reading.end()
            await self._settle()

    def _check_overrun(self) -> None:
        joined = self.reading.joined
        tokens = max(joined.pieces, joined.characters // LONGEST_TOKEN)
        is_endless = joined.chunks > self._max_tokens + MOST_EMPTY_CHUNKS
        if joined.is_finished:  # all of the answer is here, so no error takes it back
            self.reading.at_end |= is_endless
        elif is_endless or tokens > self._max_tokens:
            raise StreamInterruptedError(
                f"stopped: the provider sent more than {self._max_tokens} tokens, "
                f"over {OVERRUN_FACTOR} times the output asked for"
            )

    async def _settle(self) -> None:
        outcome = self.reading.outcome(None)
        try:
            await self.hold.end(self.io, outcome)
        except BaseException:
            self.hold.end_now(outcome)
            raise
        self.routing = self.hold.routing(outcome, self.adjusted)
        if outcome.is_whole:
            await answered(self.hold.engine, self.io, self.routing, self.response)

    def _fail(self, error: BaseException) -> None:
        """Settle as received and give the error its context; never awaits what could hang."""
        if self.is_closed and not self.hold.is_open:
            return
        self.is_closed = True
        self.reading.source.abort()
        outcome = self.reading.outcome(error)
        self.hold.note(outcome)
        if isinstance(error, GeneratorExit):  # a task dropped half-way: this is its finaliser
            self.hold.end_later(outcome)
        else:
            self.hold.end_now(outcome)
        self.routing = self.hold.routing(outcome, self.adjusted)
        if isinstance(error, TrunklineError):
            self.hold.tell(error)
        if isinstance(error, APITimeoutError | StreamInterruptedError) and error.partial is None:
            error.partial = self.response()
        if isinstance(error, TrunklineError):
            self.hold.engine.emit("error", error)


def _interrupted(error: APIError) -> StreamInterruptedError:
    if isinstance(error, StreamInterruptedError):
        return error
    return StreamInterruptedError(f"the stream broke: {error.message}", error=error)


def elapsed_s(io: IO, source: ByteSource | None, started: float) -> float:
    """Return the seconds an exchange took.

    Where time was simulated it stands for the real one, so that a seed gives the same log again.
    """
    simulated = source.elapsed_extra_s if source is not None else 0.0
    return simulated or io.monotonic() - started


def has_content(chunk: ChatCompletionChunk) -> bool:
    """Whether a chunk carries text, a tool call or a finish, not just the role."""
    for choice in chunk.choices:
        if choice.finish_reason is not None or choice.delta.content or has_more(choice.delta):
            return True
    return False


def hold_cap(hold: Hold) -> int:
    """Return the output cap that this stream was asked to keep, per choice."""
    cap = hold.granted.output_cap or hold.call.output_cap
    return cap or hold.deployment.model.max_output or 10**6


class _Face:
    """What both streams share."""

    def __init__(self, core: StreamCore) -> None:
        self._core = core

    @property
    def response(self) -> ChatCompletion | None:
        """What has come so far, joined; complete at the end, with its ``routing``."""
        return self._core.response()

    @property
    def routing(self) -> Routing:
        """Why this model and what happened; complete once the stream has ended."""
        return self._core.routing_so_far()

    @property
    def request_id(self) -> str | None:
        """The provider's id of the exchange, where it sent one."""
        return self._core.request_id

    @property
    def response_headers(self) -> Mapping[str, str]:
        """The provider's response headers that are about the answer, such as rate limits."""
        return self._core.response_headers

    def __del__(self) -> None:
        core = getattr(self, "_core", None)
        if core is not None and not core.is_closed:
            core.abandon()
            warnings.warn(f"unclosed {self!r}", ResourceWarning, stacklevel=2, source=self)

    def __repr__(self) -> str:
        state = "closed" if self._core.is_closed else "open"
        return f"<{type(self).__name__} {self._core.hold.deployment.id} {state}>"


class Stream(_Face):
    """Chunks of an answer, to iterate over; close it, or use it in ``with``, to stop early."""

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> ChatCompletionChunk:
        if ready := self._core.ready:  # most chunks: no need to enter the core
            return ready.popleft()
        chunk = run_to_completion(self._core.next_chunk())
        if chunk is None:
            raise StopIteration
        return chunk

    def close(self) -> None:
        """Stop reading, free the connection and settle what came."""
        run_to_completion(self._core.finish())

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class AsyncStream(_Face):
    """Chunks of an answer, to iterate over with ``async for``; close it to stop early."""

    def __aiter__(self) -> AsyncStream:
        return self

    async def __anext__(self) -> ChatCompletionChunk:
        if ready := self._core.ready:  # most chunks: no need to enter the core
            return ready.popleft()
        chunk = await self._core.next_chunk()
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    async def close(self) -> None:
        """Stop reading, free the connection and settle what came."""
        await self._core.finish()

    aclose = close

    async def __aenter__(self) -> AsyncStream:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
