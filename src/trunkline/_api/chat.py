"""``/chat/completions``: a request body to a call, its answer or stream back to bytes.

Decides how our answers are written down as OpenAI's API does: what the provider said, the fields
that a client relies on, and ``trunkline``, the routing, on the answer or the last chunk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from trunkline import _pipeline
from trunkline._streams import StreamCore
from trunkline._tasks import CHAT
from trunkline.types.chat import ChoiceDelta
from trunkline.types.params import CHAT_PARAMS

from .messages import Reply, told
from .streams import brings_something, reply_with

if TYPE_CHECKING:
    from trunkline._engine import Engine
    from trunkline._io.protocol import IO
    from trunkline._settings import Settings
    from trunkline.errors import TrunklineError
    from trunkline.types.chat import ChatCompletion, ChatCompletionChunk
    from trunkline.types.routing import Routing

    from .messages import JSON, ApiRequest

_DONE = b"data: [DONE]\n\n"


async def chat(engine: Engine, io: IO, settings: Settings, request: ApiRequest) -> Reply:
    """Answer ``POST /chat/completions``."""
    given = request.given(request.json(), CHAT_PARAMS)
    answer = await _pipeline.create(engine, io, settings, given, CHAT)
    if isinstance(answer, StreamCore):
        return reply_with(answer, ChunkWriter())
    return Reply(200, told(answer), to_json(written(answer)))


def written(completion: ChatCompletion) -> JSON:
    """Return a completion as OpenAI's API writes it."""
    said: JSON = completion.model_dump(exclude_unset=True)
    said["object"] = completion.object
    for choice, was in zip(said["choices"], completion.choices, strict=True):
        choice["index"] = was.index
        message = choice["message"]
        message["role"] = was.message.role
        message.setdefault("content", None)
    said["trunkline"] = completion.routing
    return said


class ChunkWriter:
    """Writes the chunks of a stream as server-sent events.

    A chunk that brings nothing to read (a finish reason, the usage) is held back until the next one
    or the end, so that the routing can go along with the last one, settled. One that brings text
    and a finish reason is sent as two.
    """

    def __init__(self) -> None:
        self._held: ChatCompletionChunk | None = None

    def begin(self) -> bytes:
        """Return what precedes the first chunk: nothing."""
        return b""

    def feed(self, chunk: ChatCompletionChunk) -> bytes:
        """Return the bytes that are due with a chunk."""
        before = self.flush()
        if not any(brings_something(choice) for choice in chunk.choices):
            self._held = chunk
            return before
        if any(choice.finish_reason is not None for choice in chunk.choices):
            chunk, self._held = _parted(chunk)
        return before + _event(chunk)

    def flush(self) -> bytes:
        """Return what was held back."""
        held, self._held = self._held, None
        return b"" if held is None else _event(held)

    def end(self, routing: Routing) -> bytes:
        """Return the last chunk, with the routing, and the end mark."""
        if (held := self._held) is None:
            return _DONE
        said = _said(held)
        said["trunkline"] = routing
        return b"data: %b\n\n%b" % (to_json(said), _DONE)

    def fail(self, error: TrunklineError, body: dict[str, Any]) -> bytes:  # noqa: ARG002
        """Return the event of an error that the provider sent."""
        return b"%bdata: %b\n\n" % (self.flush(), to_json({"error": body}))


def _parted(chunk: ChatCompletionChunk) -> tuple[ChatCompletionChunk, ChatCompletionChunk]:
    """Return what a chunk says, and how its answers end, as two."""
    said, ends = chunk.model_copy(deep=True), chunk.model_copy(deep=True)
    ends.choices = [choice for choice in ends.choices if choice.finish_reason is not None]
    if said.usage is not None:
        said.usage = None
    for choice in said.choices:
        choice.finish_reason = None
    for choice in ends.choices:
        choice.delta = ChoiceDelta()
    return said, ends


def _event(chunk: ChatCompletionChunk) -> bytes:
    if _is_as_it_came(chunk):
        said = chunk.__pydantic_serializer__.to_json(chunk, exclude_unset=True)
    else:
        said = to_json(_said(chunk))
    return b"data: %b\n\n" % said


def _is_as_it_came(chunk: ChatCompletionChunk) -> bool:
    """Say whether a chunk can be written as its provider said it: most are one piece of text."""
    if len(chunk.choices) != 1 or "object" not in chunk.__pydantic_fields_set__:
        return False
    choice = chunk.choices[0]
    return choice.delta.tool_calls is None and "index" in choice.__pydantic_fields_set__


def _said(chunk: ChatCompletionChunk) -> JSON:
    said: JSON = chunk.model_dump(exclude_unset=True)
    said["object"] = chunk.object
    for choice, was in zip(said["choices"], chunk.choices, strict=True):
        choice["index"] = was.index
        if was.delta.tool_calls:  # what says null of a call would take back what was said before
            choice["delta"] = was.delta.model_dump(exclude_unset=True, exclude_none=True)
    return said
