"""A streamed answer as the bytes of a reply.

Decides what becomes of an error after the first bytes: what a provider said inside its stream is
said on, in the words of the API; a stream that was cut is raised, because no event could say it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from trunkline.errors import APIConnectionError, APIStatusError, StreamInterruptedError
from trunkline.providers.joining import has_more
from trunkline.types.headers import routing_headers

from .faults import body_of
from .messages import SSE_TYPE, Reply

if TYPE_CHECKING:
    from trunkline._streams import StreamCore
    from trunkline.errors import TrunklineError
    from trunkline.types.chat import ChatCompletionChunk, ChunkChoice
    from trunkline.types.routing import Routing


class Writer(Protocol):
    """How one path of the API writes a stream down."""

    def begin(self) -> bytes:
        """Return what precedes the first chunk."""
        ...

    def feed(self, chunk: ChatCompletionChunk) -> bytes:
        """Return the bytes that are due with a chunk, maybe none."""
        ...

    def flush(self) -> bytes:
        """Return what was held back until more was known."""
        ...

    def end(self, routing: Routing) -> bytes:
        """Return what ends the stream."""
        ...

    def fail(self, error: TrunklineError, body: dict[str, Any]) -> bytes:
        """Return what says an error that the provider sent inside its stream."""
        ...


class Events:
    """The bytes of a stream: see ``messages.Streamed``."""

    def __init__(self, core: StreamCore, writer: Writer) -> None:
        self._core = core
        self._writer = writer
        self._begun = writer.begin()
        self._has_ended = False
        self._cut: APIConnectionError | None = None

    async def next_bytes(self) -> bytes:
        """Return the bytes of the chunks that are here, ``b""`` at the end.

        Raises:
            APIConnectionError: The stream was cut or stalled; what came before was delivered.
        """
        found, self._begun = self._begun, b""
        while not found and not self._has_ended:
            if self._cut is not None:
                raise self._cut
            try:
                found = await self._more()
            except APIConnectionError as error:
                found = self._broken(error)
        return found

    def _broken(self, error: APIConnectionError) -> bytes:
        """Return what is due before an error, or what says it."""
        said = error.error if isinstance(error, StreamInterruptedError) else None
        if isinstance(said, APIStatusError):
            self._has_ended = True
            return self._writer.fail(error, body_of(said, said.status_code or 500))
        self._cut = error
        return self._writer.flush()

    async def _more(self) -> bytes:
        core, writer = self._core, self._writer
        chunk = await core.next_chunk()
        if chunk is None:
            self._has_ended = True
            return writer.end(core.routing_so_far())
        pieces = [writer.feed(chunk)]
        while core.ready:  # what came at once leaves at once
            pieces.append(writer.feed(core.ready.popleft()))
        return b"".join(pieces)

    async def finish(self) -> None:
        """Stop early, or do nothing after the end."""
        await self._core.finish()

    def __del__(self) -> None:
        # No warning: the SDK's streams are dropped by libraries whose users could not heed it.
        if (core := getattr(self, "_core", None)) is not None:
            core.abandon()


def brings_something(choice: ChunkChoice) -> bool:
    """Say whether a piece of a stream has something to read in it: text, a call, a thought."""
    return bool(choice.delta.content) or has_more(choice.delta)


def reply_with(core: StreamCore, writer: Writer) -> Reply:
    """Return the reply of a stream whose first chunk is here."""
    routing = routing_headers(core.routing_so_far(), request_id=core.request_id)
    return Reply(200, {**core.response_headers, **SSE_TYPE, **routing}, Events(core, writer))
