"""Chunks to a completion and back, for answers that came in the other form than was asked.

Decides how deltas add up, also for a stream that broke off.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trunkline.types.chat import AudioDelta, ChatCompletion, ChatCompletionChunk, Usage

from ._shapes import is_list, is_object

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trunkline.types.chat import (
        Choice,
        ChoiceDelta,
        ChunkChoice,
        FunctionCallDelta,
        ToolCallDelta,
    )

    from .base import JSON

_TEXTS = ("refusal", "reasoning_content")
_SOUNDS = ("data", "transcript")


@dataclass(slots=True)
class _Called:
    """What a call calls, as far as it came: its name comes once, its text in pieces."""

    text: str
    pieces: list[str] = field(default_factory=list[str])
    rest: JSON = field(default_factory=dict[str, Any])

    def add(self, said: JSON) -> None:
        for name, value in _said(said).items():
            if name == self.text and isinstance(value, str):
                self.pieces.append(value)
            elif name != "name" or not self.rest.get("name"):
                self.rest[name] = value

    def whole(self) -> JSON:
        whole: JSON = {"name": "", self.text: "", **self.rest}
        return {**whole, self.text: "".join(self.pieces)} if self.pieces else whole


@dataclass(slots=True)
class _Call:
    """One tool call as far as it came: of a function, or of a custom tool, which takes text."""

    id: str = ""
    type: str = ""
    function: _Called | None = None
    custom: _Called | None = None
    extra: JSON = field(default_factory=dict[str, Any])


@dataclass(slots=True)
class _Building:
    """One choice as far as it came; what grows is kept in pieces, for joining once."""

    content: list[str] = field(default_factory=list[str])
    texts: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    calls: dict[int, _Call] = field(default_factory=dict[int, _Call])
    function: _Called | None = None
    audio: JSON = field(default_factory=dict[str, Any])
    finish: str | None = None
    logprobs: dict[str, list[Any]] = field(default_factory=dict[str, list[Any]])
    extra: JSON = field(default_factory=dict[str, Any])
    message_extra: JSON = field(default_factory=dict[str, Any])


class Joined:
    """An answer as far as it has come; keeps its text, not its chunks.

    Args:
        choices: How many answers were asked for.

    Attributes:
        is_all: The provider has said that this was all, be it fewer answers than were asked for.
        chunks: How many were added.
        pieces: Those of them that brought some of the answer; each holds a token at least.
        characters: Of the text so far.
        model: The model that the chunks name.
    """

    def __init__(self, choices: int = 1) -> None:
        self.is_all = False
        self.chunks = 0
        self.pieces = 0
        self.characters = 0
        self.model: str | None = None
        self._asked = choices
        self._choices: dict[int, _Building] = {}
        self._top: JSON = {}

    def add(self, chunk: ChatCompletionChunk) -> None:
        """Add what one chunk says."""
        self.chunks += 1
        self._add_top(chunk)
        for choice in chunk.choices:
            building = self._choices.get(choice.index)
            if building is None:
                building = self._choices[choice.index] = _Building()
            delta = choice.delta
            if delta.content is not None:
                building.content.append(delta.content)
                self.characters += len(delta.content)
            if delta.content or has_more(delta):
                self.pieces += 1
            if not _is_plain_text(choice):
                _add(building, choice)

    def _add_top(self, chunk: ChatCompletionChunk) -> None:
        if self.model is None:
            self.model = chunk.model
            self._top |= {"id": chunk.id, "created": chunk.created, "model": chunk.model}
        if extra := chunk.__pydantic_extra__:  # model_extra is a property, at twice the time
            self._top |= _said(extra)
        if chunk.system_fingerprint is not None:
            self._top["system_fingerprint"] = chunk.system_fingerprint
        if chunk.service_tier is not None:
            self._top["service_tier"] = chunk.service_tier
        if chunk.moderation is not None:
            self._top["moderation"] = chunk.moderation

    @property
    def is_finished(self) -> bool:
        """Whether each choice has its finish reason, and none that was asked for can be missing.

        Providers may give fewer than asked for, but a stream that is cut between two looks the
        same: who never says that it was all is believed only when all have come.
        """
        choices = self._choices.values()
        least = 1 if self.is_all else self._asked
        return len(choices) >= least and all(building.finish is not None for building in choices)

    @property
    def why_unfinished(self) -> str:
        """What is missing of an answer that is not finished, in words."""
        finished = sum(building.finish is not None for building in self._choices.values())
        if finished and finished == len(self._choices):
            return f"the stream ended after {finished} of the {self._asked} answers asked for"
        return "the stream ended without a finish reason"

    @property
    def finish_reason(self) -> str | None:
        """Of the first choice, ``None`` until it comes."""
        first = self._choices.get(0)
        return None if first is None else first.finish

    @property
    def output_bytes(self) -> int:
        """Text, reasoning and arguments so far, in UTF-8 bytes: a bound of their tokens."""
        return sum(
            len(text.encode("utf-8", "surrogatepass"))
            for building in self._choices.values()
            for text in _texts_of(building)
        )

    def completion(self, usage: Usage | None = None) -> ChatCompletion | None:
        """Return the completion that the chunks make.

        A choice that has no finish reason yet gets ``"length"``: it was cut.

        Returns:
            ``None`` where no chunk held a choice.
        """
        if not self._choices:
            return None
        choices = [_built(i, b) for i, b in sorted(self._choices.items())]
        return ChatCompletion.model_validate({**self._top, "usage": usage, "choices": choices})


def join_chunks(
    chunks: Iterable[ChatCompletionChunk], usage: Usage | None = None, choices: int = 1
) -> ChatCompletion | None:
    """Add up chunks that are all here, ``None`` unless so many choices, and all, are finished."""
    joined = Joined(choices)
    for chunk in chunks:
        joined.add(chunk)
        usage = chunk.usage or usage
    return joined.completion(usage) if joined.is_finished else None


def split_completion(completion: ChatCompletion) -> list[ChatCompletionChunk]:
    """Take a completion apart: for each choice a chunk of content, then one of its finish reason.

    The usage is left out; a decoder adds it where it was asked for.
    """
    top: JSON = {
        **(completion.model_extra or {}),
        "id": completion.id,
        "created": completion.created,
        "model": completion.model,
        "system_fingerprint": completion.system_fingerprint,
        "service_tier": completion.service_tier,
    }
    top |= _said({"metadata": completion.metadata, "moderation": completion.moderation})
    return [
        ChatCompletionChunk.model_validate({**top, "choices": [piece]})
        for choice in completion.choices
        for piece in _pieces(choice)
    ]


def has_more(delta: ChoiceDelta) -> bool:
    """Say whether a delta brings some of the answer that is not its text."""
    return bool(
        delta.tool_calls
        or delta.reasoning_content
        or delta.refusal
        or delta.function_call
        or delta.audio
    )


def _is_plain_text(choice: ChunkChoice) -> bool:
    """Say whether a chunk brings a piece of text and nothing else, as most do."""
    return (
        choice.finish_reason is None
        and choice.logprobs is None
        and not choice.__pydantic_extra__
        and choice.delta.content is not None
        and len(choice.delta.__pydantic_fields_set__) == 1
    )


def _add(building: _Building, choice: ChunkChoice) -> None:
    delta: ChoiceDelta = choice.delta
    for name in _TEXTS:
        if (text := getattr(delta, name)) is not None:
            building.texts.setdefault(name, []).append(text)
    for call in delta.tool_calls or ():
        _add_call(building.calls.setdefault(call.index, _Call()), call)
    if delta.function_call is not None:
        building.function = _with_function(building.function, delta.function_call)
    if isinstance(delta.audio, AudioDelta):
        _add_audio(building.audio, delta.audio)
    elif delta.audio is not None:
        building.message_extra["audio"] = delta.audio
    if is_object(choice.logprobs):
        _add_logprobs(building.logprobs, choice.logprobs)
    building.finish = choice.finish_reason or building.finish
    building.extra |= _said(choice.model_extra)
    building.message_extra |= _said(delta.model_extra)


def _add_logprobs(logprobs: dict[str, list[Any]], more: JSON) -> None:
    for name in ("content", "refusal"):
        if is_list(tokens := more.get(name)):
            logprobs.setdefault(name, []).extend(tokens)


def _said(extra: JSON | None) -> JSON:
    # A later null is silence, not a correction.
    return {name: value for name, value in (extra or {}).items() if value is not None}


def _add_call(call: _Call, delta: ToolCallDelta) -> None:
    call.id = call.id or delta.id or ""
    call.type = call.type or delta.type or ""
    extra = _said(delta.model_extra)
    if is_object(custom := extra.get("custom")):
        del extra["custom"]
        call.custom = call.custom or _Called("input")
        call.custom.add(custom)
    if delta.function is not None:
        call.function = _with_function(call.function, delta.function)
    call.extra |= extra


def _with_function(called: _Called | None, delta: FunctionCallDelta) -> _Called:
    called = called or _Called("arguments")
    said = {"name": delta.name, "arguments": delta.arguments}
    called.add({**(delta.model_extra or {}), **said})
    return called


def _add_audio(audio: JSON, delta: AudioDelta) -> None:
    for name, value in _said(delta.model_dump()).items():
        if name in _SOUNDS:
            audio.setdefault(name, []).append(value)
        else:
            audio[name] = value


def _built(index: int, building: _Building) -> JSON:
    message: JSON = {**building.message_extra, "role": "assistant", "content": None}
    if building.content:
        message["content"] = "".join(building.content)
    message |= {name: "".join(pieces) for name, pieces in building.texts.items()}
    if building.calls:
        message["tool_calls"] = [_whole_call(c) for _, c in sorted(building.calls.items())]
        message["content"] = message["content"] or None
    if building.function is not None:
        message["function_call"] = building.function.whole()
    if audio := building.audio:
        sounds = {name: "".join(audio[name]) for name in _SOUNDS if name in audio}
        message["audio"] = {**audio, **sounds}
    return {
        **building.extra,
        "index": index,
        "message": message,
        "finish_reason": building.finish or "length",
        "logprobs": building.logprobs or None,
    }


def _texts_of(building: _Building) -> Iterable[str]:
    yield from building.content
    for pieces in building.texts.values():
        yield from pieces
    for call in building.calls.values():
        for called in filter(None, (call.function, call.custom)):
            yield str(called.rest.get("name", ""))
            yield from called.pieces
    if building.function is not None:
        yield from building.function.pieces


def _whole_call(call: _Call) -> JSON:
    kind = call.type or "function"
    whole: JSON = {**call.extra, "id": call.id, "type": kind}
    if call.custom is not None:
        whole["custom"] = call.custom.whole()
    if kind == "function":
        function = (call.function or _Called("arguments")).whole()
        whole["function"] = {**function, "arguments": function["arguments"] or "{}"}
    return whole


def _pieces(choice: Choice) -> list[JSON]:
    delta = choice.message.model_dump(exclude_unset=True)
    delta["role"] = "assistant"
    for number, call in enumerate(delta.get("tool_calls") or ()):
        call["index"] = number
    extra = choice.model_extra or {}
    return [
        {"index": choice.index, "delta": delta, "finish_reason": None, "logprobs": choice.logprobs},
        {**extra, "index": choice.index, "delta": {}, "finish_reason": choice.finish_reason},
    ]
