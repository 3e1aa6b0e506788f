"""From chunks to events: what ``chat.completions.stream`` says about an answer as it grows.

Decides which events a chunk gives rise to, and keeps the answer as far as it came. Plain code that
is fed with chunks and waits for nothing; whoever reads the stream is ``_event_streams``' business.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from trunkline._structured import fields_of, is_whole, refuse_cut, set_fields, so_far
from trunkline.types.chat import FunctionCall, Shape, ToolCall
from trunkline.types.chat_events import (
    ChunkEvent,
    ContentDeltaEvent,
    ContentDoneEvent,
    FunctionToolCallArgumentsDeltaEvent,
    FunctionToolCallArgumentsDoneEvent,
    LogprobsContentDeltaEvent,
    LogprobsContentDoneEvent,
    LogprobsRefusalDeltaEvent,
    LogprobsRefusalDoneEvent,
    RefusalDeltaEvent,
    RefusalDoneEvent,
)
from trunkline.types.parsed import (
    ChatCompletionSnapshot,
    ChoiceSnapshot,
    MessageSnapshot,
    ParsedFunctionToolCall,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from trunkline._structured import Expected
    from trunkline.types.chat import (
        ChatCompletionChunk,
        ChoiceDelta,
        ChunkChoice,
        FunctionCallDelta,
        ToolCallDelta,
    )
    from trunkline.types.chat_events import ChatCompletionStreamEvent

T = TypeVar("T")

_NOT_JOINED = ("role", "tool_calls", "function_call")
# What a snapshot has and no chunk: whoever says a field of that name has it in the chunk alone.
_OURS = ("message", "parsed", "parsed_arguments")


class EventState(Generic[T]):
    """An answer as far as its chunks have come, and the events that each of them is.

    Args:
        expected: What the answer is read as.

    Attributes:
        snapshot: The answer so far; ``None`` before the first chunk.
    """

    def __init__(self, expected: Expected[T]) -> None:
        self.snapshot: ChatCompletionSnapshot[T] | None = None
        self._expected = expected
        self._choices: dict[int, _ChoiceState[T]] = {}

    def take(self, chunk: ChatCompletionChunk) -> list[ChatCompletionStreamEvent[T]]:
        """Add a chunk to the answer; return what happened by it.

        Raises:
            UnparsedAnswerError: The answer is complete now, and cannot be read as it should be.
        """
        snapshot = self._grown(chunk)
        states = [self._choice(snapshot, choice.index) for choice in chunk.choices]
        for state, choice in zip(states, chunk.choices, strict=True):
            state.grow(choice)
        events: list[ChatCompletionStreamEvent[T]] = [ChunkEvent(chunk=chunk, snapshot=snapshot)]
        for state, choice in zip(states, chunk.choices, strict=True):
            events += state.events(choice)
        return events

    def _grown(self, chunk: ChatCompletionChunk) -> ChatCompletionSnapshot[T]:
        said = fields_of(chunk)
        for name in ("choices", "object", "obfuscation"):  # the last is padding, of a chunk alone
            said.pop(name, None)
        if self.snapshot is None:
            self.snapshot = ChatCompletionSnapshot.model_validate({**said, "choices": []})
        set_fields(self.snapshot, _taken(self.snapshot, said))
        return self.snapshot

    def _choice(self, snapshot: ChatCompletionSnapshot[T], index: int) -> _ChoiceState[T]:
        state = self._choices.get(index)
        if state is None:
            state = self._choices[index] = _ChoiceState(index, self._expected)
            snapshot.choices = [each.snapshot for _, each in sorted(self._choices.items())]
        return state


class _ChoiceState(Generic[T]):
    """One choice: what of it has come, and what of that was said to be complete."""

    def __init__(self, index: int, expected: Expected[T]) -> None:
        self.snapshot: ChoiceSnapshot[T] = ChoiceSnapshot(index=index, message=MessageSnapshot())
        self._expected = expected
        self._calls: dict[int, ParsedFunctionToolCall] = {}
        self._others: dict[int, ToolCall] = {}  # of custom tools: they grow, and are no events
        self._logprobs: dict[str, list[Any]] = {}
        self._open_call: int | None = None
        self._begun: dict[int, None] = {}  # calls in the order in which their pieces were said
        self._said: set[str] = set()

    def grow(self, choice: ChunkChoice) -> None:
        """Add what a chunk says of this choice."""
        if choice.model_extra:
            set_fields(self.snapshot, _taken(self.snapshot, choice.model_extra))
        self._grow_message(choice.delta)
        if choice.finish_reason is not None:
            self.snapshot.finish_reason = choice.finish_reason
            if self._expected.reads_something:
                refuse_cut(choice.finish_reason)
        message = self.snapshot.message
        if self._expected.read is not None and choice.delta.content and not message.refusal:
            message.parsed = so_far(message.content or "")
        for name in ("content", "refusal"):
            if tokens := _tokens(choice, name):
                self._logprobs.setdefault(name, []).extend(tokens)
                self.snapshot.logprobs = self._logprobs

    def events(self, choice: ChunkChoice) -> Iterator[ChatCompletionStreamEvent[T]]:
        """Say what a chunk, added before, means for this choice."""
        message, delta = self.snapshot.message, choice.delta
        if delta.content is not None:
            yield ContentDeltaEvent(
                delta=delta.content, snapshot=message.content or "", parsed=message.parsed
            )
        if delta.refusal is not None:
            yield RefusalDeltaEvent(delta=delta.refusal, snapshot=message.refusal or "")
        yield from filter(None, map(self._call_event, delta.tool_calls or ()))
        if tokens := _tokens(choice, "content"):
            yield LogprobsContentDeltaEvent(content=tokens, snapshot=self._logprobs["content"])
        if tokens := _tokens(choice, "refusal"):
            yield LogprobsRefusalDeltaEvent(refusal=tokens, snapshot=self._logprobs["refusal"])
        for call in delta.tool_calls or ():
            if call.index != self._open_call:
                yield from self._content_done()
                yield from self._calls_done(self._begun)
                self._open_call = call.index
                if call.index in self._calls:
                    self._begun[call.index] = None
        if self.snapshot.finish_reason is not None:
            yield from self._content_done()
            yield from self._calls_done(sorted(self._calls))

    def _grow_message(self, delta: ChoiceDelta) -> None:
        message = self.snapshot.message
        said = {n: value for n, value in fields_of(delta).items() if n not in _NOT_JOINED}
        _grow(message, said)
        for call in delta.tool_calls or ():
            # Only the first piece says of what kind the call is.
            is_other = call.index not in self._calls and call.type not in (None, "function")
            if is_other or call.index in self._others:
                self._grow_other(call)
            else:
                self._grow_call(call)
        if delta.function_call is not None:
            function = message.function_call or FunctionCall(name="", arguments="")
            message.function_call = _grown_function(function, delta.function_call)

    def _grow_call(self, delta: ToolCallDelta) -> None:
        call = self._calls.get(delta.index)
        if call is None:
            new = {"index": delta.index, "id": "", "function": {"name": "", "arguments": ""}}
            call = self._calls[delta.index] = ParsedFunctionToolCall.model_validate(new)
            self._list_calls()
        call.id = call.id or delta.id or ""
        _grow(call, delta.model_extra)
        if (piece := delta.function) is not None:
            _grown_function(call.function, piece)
            if piece.arguments and call.function.name in self._expected.arguments:
                call.function.parsed_arguments = so_far(call.function.arguments)

    def _grow_other(self, delta: ToolCallDelta) -> None:
        call = self._others.get(delta.index)
        if call is None:
            new = {"index": delta.index, "id": "", "type": delta.type}
            call = self._others[delta.index] = ToolCall.model_validate(new)
            self._list_calls()
        call.id = call.id or delta.id or ""
        said = dict(delta.model_extra or {})
        if _custom(call).get("name") and (more := _custom(delta)):  # a name comes once
            said["custom"] = {name: value for name, value in more.items() if name != "name"}
        _grow(call, said)

    def _list_calls(self) -> None:
        calls: dict[int, ParsedFunctionToolCall | ToolCall] = {**self._calls, **self._others}
        self.snapshot.message.tool_calls = [calls[index] for index in sorted(calls)]

    def _call_event(self, delta: ToolCallDelta) -> FunctionToolCallArgumentsDeltaEvent | None:
        call = self._calls.get(delta.index)
        if call is None:
            return None
        return FunctionToolCallArgumentsDeltaEvent(
            name=call.function.name,
            index=delta.index,
            arguments=call.function.arguments,
            parsed_arguments=call.function.parsed_arguments,
            arguments_delta=(delta.function and delta.function.arguments) or "",
        )

    def _content_done(self) -> Iterator[ChatCompletionStreamEvent[T]]:
        message = self.snapshot.message
        if message.content and self._is_first("content"):
            message.parsed = parsed = self._expected.content(message)
            yield ContentDoneEvent(content=message.content, parsed=parsed)
        if message.refusal is not None and self._is_first("refusal"):
            yield RefusalDoneEvent(refusal=message.refusal)
        if (tokens := self._logprobs.get("content")) and self._is_first("logprobs.content"):
            yield LogprobsContentDoneEvent(content=tokens)
        if (tokens := self._logprobs.get("refusal")) and self._is_first("logprobs.refusal"):
            yield LogprobsRefusalDoneEvent(refusal=tokens)

    def _calls_done(self, indices: Iterable[int]) -> Iterator[ChatCompletionStreamEvent[T]]:
        """Say which calls are complete: those left for another, and at the end all of them.

        Some providers mix the pieces of several calls, so one that is left is complete only if its
        arguments are.
        """
        is_over = self.snapshot.finish_reason is not None
        for index in indices:
            function, name = self._calls[index].function, f"call {index}"
            if name not in self._said and (is_over or is_whole(function.arguments)):
                self._said.add(name)
                parsed = self._expected.of_function(function.name, function.arguments)
                function.parsed_arguments = parsed
                yield FunctionToolCallArgumentsDoneEvent(
                    name=function.name,
                    index=index,
                    arguments=function.arguments,
                    parsed_arguments=parsed,
                )

    def _is_first(self, what: str) -> bool:
        is_first = what not in self._said
        self._said.add(what)
        return is_first


def _tokens(choice: ChunkChoice, name: str) -> list[Any]:
    logprobs: object = choice.logprobs
    if not isinstance(logprobs, Mapping):
        return []
    tokens: Any = cast("Mapping[str, Any]", logprobs).get(name)
    return tokens if isinstance(tokens, list) else []  # pyright: ignore[reportUnknownVariableType]


def _custom(call: Shape) -> dict[str, Any]:
    custom = (call.model_extra or {}).get("custom")
    return cast("dict[str, Any]", custom) if isinstance(custom, dict) else {}


def _grown_function(function: FunctionCall, piece: FunctionCallDelta) -> FunctionCall:
    function.name = function.name or piece.name or ""
    function.arguments += piece.arguments or ""
    _grow(function, piece.model_extra)
    return function


def _grow(shape: Shape, said: Mapping[str, Any] | None) -> None:
    """Add pieces to what came before them under the same names."""
    before = fields_of(shape)
    pieces = _taken(shape, said)
    set_fields(shape, {name: _joined(before.get(name), value) for name, value in pieces.items()})


def _taken(shape: Shape, said: Mapping[str, Any] | None) -> dict[str, Any]:
    """Leave out what says nothing, and what would take the place of a field of ours."""
    return {
        name: value
        for name, value in (said or {}).items()
        if value is not None and not (name in _OURS and name in type(shape).model_fields)
    }


def _joined(old: Any, new: Any) -> Any:
    """Add a piece to what came before it: texts and lists grow, objects field by field."""
    if isinstance(new, Shape):  # a sound's pieces; the whole of it is JSON until it ends
        new = {name: value for name, value in fields_of(new).items() if value is not None}
    if isinstance(old, str) and isinstance(new, str):
        return old + new
    if isinstance(old, dict) and isinstance(new, dict):
        before, more = cast("dict[str, Any]", old), cast("dict[str, Any]", new)
        said = {name: value for name, value in more.items() if value is not None}
        return before | {name: _joined(before.get(name), value) for name, value in said.items()}
    if isinstance(old, list) and isinstance(new, list):
        return old + new  # pyright: ignore[reportUnknownVariableType]
    return new
