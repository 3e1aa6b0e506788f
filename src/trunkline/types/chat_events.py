"""What ``chat.completions.stream`` yields: events of a streamed answer, each with its ``type``.

Names and fields are those of the OpenAI SDK. When which event comes is ``_chat_events``' business.
"""

from __future__ import annotations

from typing import Any, Generic, Literal

from .chat import ChatCompletionChunk, Shape
from .parsed import ChatCompletionSnapshot, T


class ChunkEvent(Shape, Generic[T]):
    """A chunk came; ``snapshot`` is the answer so far and grows with the next ones."""

    type: Literal["chunk"] = "chunk"
    chunk: ChatCompletionChunk
    snapshot: ChatCompletionSnapshot[T]


class ContentDeltaEvent(Shape):
    """A piece of the text; ``parsed`` is what the JSON says so far, where a type was given."""

    type: Literal["content.delta"] = "content.delta"
    delta: str
    snapshot: str
    parsed: Any = None


class ContentDoneEvent(Shape, Generic[T]):
    """The text is complete; ``parsed`` is it as ``response_format``."""

    type: Literal["content.done"] = "content.done"
    content: str
    parsed: T | None = None


class RefusalDeltaEvent(Shape):
    """A piece of a refusal."""

    type: Literal["refusal.delta"] = "refusal.delta"
    delta: str
    snapshot: str


class RefusalDoneEvent(Shape):
    """The refusal is complete."""

    type: Literal["refusal.done"] = "refusal.done"
    refusal: str


class FunctionToolCallArgumentsDeltaEvent(Shape):
    """A piece of a call's arguments; ``arguments`` is all of them so far."""

    type: Literal["tool_calls.function.arguments.delta"] = "tool_calls.function.arguments.delta"
    name: str
    index: int
    arguments: str
    parsed_arguments: Any = None
    arguments_delta: str


class FunctionToolCallArgumentsDoneEvent(Shape):
    """A call's arguments are complete, and read as the tool's model where it has one."""

    type: Literal["tool_calls.function.arguments.done"] = "tool_calls.function.arguments.done"
    name: str
    index: int
    arguments: str
    parsed_arguments: Any = None


class LogprobsContentDeltaEvent(Shape):
    """Log probabilities of a piece of the text."""

    type: Literal["logprobs.content.delta"] = "logprobs.content.delta"
    content: list[Any]
    snapshot: list[Any]


class LogprobsContentDoneEvent(Shape):
    """Log probabilities of the whole text."""

    type: Literal["logprobs.content.done"] = "logprobs.content.done"
    content: list[Any]


class LogprobsRefusalDeltaEvent(Shape):
    """Log probabilities of a piece of a refusal."""

    type: Literal["logprobs.refusal.delta"] = "logprobs.refusal.delta"
    refusal: list[Any]
    snapshot: list[Any]


class LogprobsRefusalDoneEvent(Shape):
    """Log probabilities of the whole refusal."""

    type: Literal["logprobs.refusal.done"] = "logprobs.refusal.done"
    refusal: list[Any]


ChatCompletionStreamEvent = (
    ChunkEvent[T]
    | ContentDeltaEvent
    | ContentDoneEvent[T]
    | RefusalDeltaEvent
    | RefusalDoneEvent
    | FunctionToolCallArgumentsDeltaEvent
    | FunctionToolCallArgumentsDoneEvent
    | LogprobsContentDeltaEvent
    | LogprobsContentDoneEvent
    | LogprobsRefusalDeltaEvent
    | LogprobsRefusalDoneEvent
)
"""Any of them; ``event.type`` tells which, to type checkers too."""
