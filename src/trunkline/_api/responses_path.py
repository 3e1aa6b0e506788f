"""``/responses``: read as a chat, and its answer or stream said as a response.

The translation itself is the package ``responses``; here it meets the pipeline.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic_core import to_json

from trunkline import _pipeline
from trunkline._streams import StreamCore
from trunkline._tasks import CHAT

from .messages import Reply, told
from .responses import ResponseEvents, read_request, whole_response
from .streams import reply_with

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trunkline._engine import Engine
    from trunkline._io.protocol import IO
    from trunkline._settings import Settings
    from trunkline.errors import TrunklineError
    from trunkline.types.chat import ChatCompletionChunk, Usage
    from trunkline.types.routing import Routing

    from .messages import JSON, ApiRequest


async def responses(engine: Engine, io: IO, settings: Settings, request: ApiRequest) -> Reply:
    """Answer ``POST /responses``."""
    wanted = read_request(request.json())
    given = {**wanted.chat, **request.steering()}
    response_id, created = engine.new_provider_id("resp_"), int(io.now())
    answer = await _pipeline.create(engine, io, settings, given, CHAT)
    if isinstance(answer, StreamCore):
        events = ResponseEvents(wanted, response_id=response_id, created=created)
        return reply_with(answer, ResponseWriter(events))
    said = whole_response(wanted, answer, response_id=response_id, created=created)
    return Reply(200, told(answer), to_json({**said, "trunkline": answer.routing}))


class ResponseWriter:
    """Writes the chunks of a stream as the events of a response."""

    def __init__(self, events: ResponseEvents) -> None:
        self._events = events
        self._usage: Usage | None = None

    def begin(self) -> bytes:
        """Return the events that announce the response."""
        return _bytes(self._events.begin())

    def feed(self, chunk: ChatCompletionChunk) -> bytes:
        """Return the events of a chunk."""
        self._usage = chunk.usage or self._usage
        return _bytes(self._events.feed(chunk))

    def flush(self) -> bytes:
        """Return what was held back: nothing is."""
        return b""

    def end(self, routing: Routing) -> bytes:
        """Return the events that close the response, the last with usage and routing."""
        return _bytes(self._events.end(self._usage, routing))

    def fail(self, error: TrunklineError, body: JSON) -> bytes:
        """Return the event of an error that the provider sent."""
        return _bytes(self._events.fail(body["code"] or "server_error", error.message))


def _bytes(events: Iterable[JSON]) -> bytes:
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (event["type"].encode(), to_json(event)) for event in events
    )
