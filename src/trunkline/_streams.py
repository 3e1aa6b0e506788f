"""A streamed answer: chunks as they come, an honest end, and one settlement.

``StreamCore`` holds the rules; ``Stream`` and ``AsyncStream`` are its two faces. A stream that ends
without a finish reason never ends in silence: what came is delivered, then an error is raised.
"""

from __future__ import annotations

import os
import warnings
from collections import deque
from typing import TYPE_CHECKING, Any

from trunkline._holds import Outcome
from trunkline._io.blocking import run_to_completion
from trunkline.errors import (
    APIError,
    APITimeoutError,
    StreamInterruptedError,
    TrunklineError,
)
from trunkline.types.chat import ChatCompletion

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from trunkline._holds import Hold
    from trunkline._io.protocol import IO, ByteSource
    from trunkline.providers.base import Decoder
    from trunkline.types.chat import ChatCompletionChunk
    from trunkline.types.routing import Routing

IDLE_AFTER_CONTENT_S = 60.0
OVERRUN_FACTOR = 4


class Reading:
    """One stream being read: bytes to chunks, and what is known of the answer so far.

    Attributes:
        chunks: All chunks decoded, for ``.partial`` and ``.response``.
        first_chunk_s: Seconds from the request to the first content.
    """

    def __init__(self, io: IO, source: ByteSource, decoder: Decoder, started: float) -> None:
        self.io = io
        self.source = source
        self.decoder = decoder
        self.started = started
        self.chunks: list[ChatCompletionChunk] = []
        self.first_chunk_s: float | None = None
        self.received_bytes = 0
        self.at_end = False
        self._open: set[int] = set()
        self._finished: dict[int, str] = {}

    @property
    def is_whole(self) -> bool:
        """Whether every choice that began has its finish reason."""
        return bool(self._finished) and not self._open

    @property
    def finish_reason(self) -> str | None:
        """Of the first choice."""
        return self._finished.get(0)

    @property
    def elapsed_s(self) -> float:
        """Real and simulated seconds since the request."""
        return self.io.monotonic() - self.started + self.source.elapsed_extra_s

    async def more(self, idle_s: float | None) -> list[ChatCompletionChunk]:
        """Read once; return the chunks that came, none at the end."""
        data = await self.source.read(idle_s=idle_s)
        if data:
            new = self.decoder.feed(data)
        else:
            new = self.decoder.close()
            self.at_end = True
        if self.decoder.error is not None:
            self.at_end = True
        for chunk in new:
            self._note(chunk)
        return new

    def _note(self, chunk: ChatCompletionChunk) -> None:
        self.chunks.append(chunk)
        for choice in chunk.choices:
            delta = choice.delta
            if choice.finish_reason is not None:
                self._finished[choice.index] = choice.finish_reason
                self._open.discard(choice.index)
            elif choice.index not in self._finished:
                self._open.add(choice.index)
            for text in (delta.content, delta.reasoning_content, delta.refusal):
                if text:
                    self.received_bytes += len(text.encode("utf-8", "surrogatepass"))
            for call in delta.tool_calls or ():
                if call.function is not None:
                    self.received_bytes += len(call.function.arguments or "") + 1
        if self.first_chunk_s is None and has_content(chunk):
            self.first_chunk_s = self.elapsed_s

    def outcome(self, error: BaseException | None) -> Outcome:
        """Say what this exchange came to."""
        return Outcome(
            usage=self.decoder.usage,
            served=self.chunks[0].model if self.chunks else None,
            received_bytes=self.received_bytes,
            is_whole=self.is_whole and error is None,
            duration_s=self.elapsed_s,
            first_chunk_s=self.first_chunk_s,
            finish_reason=self.finish_reason,
            request_id=self.source.headers.get("x-request-id"),
            error=error,
        )

    def ending_error(self) -> APIError | None:
        """Return the error that belongs to the end of the stream, ``None`` for an honest one."""
        if self.decoder.error is not None:
            return self.decoder.error
        if self.is_whole:
            return None
        return StreamInterruptedError("the stream ended without a finish reason")


class StreamCore:
    """The life of a stream after its first chunk: deliver, then settle exactly once.

    Args:
        io: The effects.
        hold: The call's money.
        reading: The open exchange; its chunks so far are delivered first.
        adjusted: What was changed in the request, in words.
    """

    def __init__(self, io: IO, hold: Hold, reading: Reading, adjusted: tuple[str, ...]) -> None:
        self.io = io
        self.hold = hold
        self.reading = reading
        self.ready: deque[ChatCompletionChunk] = deque(reading.chunks)
        self.routing: Routing | None = None
        self.is_closed = False
        self.adjusted = adjusted
        self._pid = os.getpid()
        read_s = hold.call.timeout.read_s
        self._idle_s = IDLE_AFTER_CONTENT_S if read_s is None else min(IDLE_AFTER_CONTENT_S, read_s)
        self._max_chunks = OVERRUN_FACTOR * hold.call.n * hold_cap(hold)

    def pop(self) -> ChatCompletionChunk | None:
        """Return a chunk that is already here, without entering the core."""
        return self.ready.popleft() if self.ready else None

    async def next_chunk(self) -> ChatCompletionChunk | None:
        """Return the next chunk, ``None`` at the end.

        Raises:
            StreamInterruptedError: The stream broke; ``.partial`` holds what came.
            APITimeoutError: It stalled, or the deadline passed; ``.partial`` likewise.
        """
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
        if self.is_closed:
            return
        self.is_closed = True
        self.reading.source.abort()
        await self._settle()

    def abandon(self) -> None:
        """Finaliser's way out: take no lock, run no SQL, cut the connection."""
        if self.is_closed or self._pid != os.getpid():
            return
        self.is_closed = True
        self.hold.end_later(self.reading.outcome(None))
        self.reading.source.abort()

    def response(self) -> ChatCompletion | None:
        """Join what has come so far into a completion; ``None`` if nothing has."""
        return join(self.reading.chunks)

    async def _advance(self) -> None:
        reading = self.reading
        if not reading.at_end:
            await self.hold.renew(self.io)
            self.ready.extend(await reading.more(self._idle_s))
            self._check_overrun()
        elif (error := reading.ending_error()) is not None:
            raise _interrupted(error)
        else:
            self.is_closed = True
            await reading.source.close()
            await self._settle()

    def _check_overrun(self) -> None:
        if len(self.reading.chunks) > self._max_chunks:
            raise StreamInterruptedError(
                f"stopped: the provider sent more than {self._max_chunks} chunks, "
                f"{OVERRUN_FACTOR} times the output asked for"
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
            await self.hold.engine.answered(self.io, self.routing, self.response)

    def _fail(self, error: BaseException) -> None:
        """Settle as received and give the error its context; never awaits what could hang."""
        if self.is_closed and not self.hold.is_open:
            return
        self.is_closed = True
        self.reading.source.abort()
        outcome = self.reading.outcome(error)
        self.hold.note(outcome)
        self.hold.end_now(outcome)
        self.routing = self.hold.routing(outcome, self.adjusted)
        if isinstance(error, TrunklineError):
            self.hold.tell(error)
        if isinstance(error, APITimeoutError | StreamInterruptedError) and error.partial is None:
            error.partial = self.response()


def _interrupted(error: APIError) -> StreamInterruptedError:
    if isinstance(error, StreamInterruptedError):
        return error
    return StreamInterruptedError(f"the stream broke: {error.message}", error=error)


def has_content(chunk: ChatCompletionChunk) -> bool:
    """Whether a chunk carries text, a tool call or a finish, not just the role."""
    for choice in chunk.choices:
        delta = choice.delta
        if choice.finish_reason is not None or delta.content or delta.tool_calls:
            return True
        if delta.reasoning_content or delta.refusal or delta.function_call:
            return True
    return False


def hold_cap(hold: Hold) -> int:
    """Return the output cap that this stream was asked to keep, per choice."""
    cap = hold.granted.output_cap or hold.call.output_cap
    return cap or hold.deployment.model.max_output or 10**6


def join(chunks: Iterable[ChatCompletionChunk]) -> ChatCompletion | None:
    """Join chunks into the completion they spell; ``finish_reason`` is "stop" where none came."""
    choices: dict[int, dict[str, Any]] = {}
    last: ChatCompletionChunk | None = None
    for last in chunks:
        for part in last.choices:
            _add(choices.setdefault(part.index, _empty(part.index)), part)
    if last is None:
        return None
    for choice in choices.values():
        calls = choice["message"].pop("_calls")
        if calls:
            choice["message"]["tool_calls"] = [calls[i] for i in sorted(calls)]
    body = {
        **last.model_dump(exclude={"choices", "object"}, exclude_none=True),
        "choices": [choices[i] for i in sorted(choices)] or [_bare(0)],
    }
    return ChatCompletion.model_validate(body)


def _empty(index: int) -> dict[str, Any]:
    return {**_bare(index), "message": {"role": "assistant", "content": None, "_calls": {}}}


def _bare(index: int) -> dict[str, Any]:
    return {"index": index, "finish_reason": "stop", "message": {"role": "assistant"}}


def _add(choice: dict[str, Any], part: Any) -> None:
    message, delta = choice["message"], part.delta
    for name in ("content", "refusal", "reasoning_content"):
        if (text := getattr(delta, name)) is not None:
            message[name] = (message.get(name) or "") + text
    for call in delta.tool_calls or ():
        _add_call(message["_calls"], call)
    if delta.function_call is not None:
        known = message.setdefault("function_call", {"name": "", "arguments": ""})
        known["name"] += delta.function_call.name or ""
        known["arguments"] += delta.function_call.arguments or ""
    for name, value in (delta.model_extra or {}).items():
        message[name] = value
    if part.finish_reason is not None:
        choice["finish_reason"] = part.finish_reason
    if part.logprobs is not None:
        choice["logprobs"] = _more_logprobs(choice.get("logprobs"), part.logprobs)


def _add_call(calls: dict[int, dict[str, Any]], part: Any) -> None:
    call = calls.setdefault(
        part.index, {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
    )
    call["id"] = part.id or call["id"]
    call["type"] = part.type or call["type"]
    if part.function is not None:
        call["function"]["name"] += part.function.name or ""
        call["function"]["arguments"] += part.function.arguments or ""
    call.update(part.model_extra or {})


def _more_logprobs(known: Any, new: Any) -> Any:
    if not isinstance(known, dict) or not isinstance(new, dict):
        return new
    return {
        name: [*(known.get(name) or []), *(new.get(name) or [])]
        for name in {**known, **new}
        if isinstance(known.get(name) or new.get(name), list)
    }


class _Face:
    """What both streams share."""

    def __init__(self, core: StreamCore) -> None:
        self._core = core

    @property
    def response(self) -> ChatCompletion | None:
        """What has come so far, joined; complete at the end, with its ``routing``."""
        joined = self._core.response()
        if joined is not None and self._core.routing is not None:
            joined._routing = self._core.routing  # noqa: SLF001  # our own type's private field
        return joined

    @property
    def routing(self) -> Routing:
        """Why this model and what happened; complete once the stream has ended."""
        core = self._core
        return core.routing or core.hold.routing(core.reading.outcome(None), core.adjusted)

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
        chunk = self._core.pop() or run_to_completion(self._core.next_chunk())
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
        chunk = self._core.pop() or await self._core.next_chunk()
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
