"""Compares our answers with what a recording says it should be.

The rules are those of the recordings' README: choice 0, parsed values, a ``null`` expectation is
not asserted.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import openai.types.chat

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trunkline.errors import APIError
    from trunkline.types.chat import ChatCompletion, ChatCompletionChunk, Usage

USAGE = (
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
)


@dataclass(frozen=True)
class Recording:
    """One recorded exchange."""

    id: str
    provider: str
    api: str
    request: dict[str, Any]
    status: int
    headers: dict[str, str]
    body: bytes
    expected: dict[str, Any]

    @property
    def params(self) -> dict[str, Any]:
        """The native request body."""
        return dict(self.request["body"] or {})

    @property
    def model(self) -> str:
        """The model that was asked."""
        return str(self.params["model"])

    @property
    def is_stream(self) -> bool:
        """Whether the answer came as a stream."""
        return bool(self.expected["stream"])

    @property
    def is_error(self) -> bool:
        """Whether the answer is an error."""
        return self.status >= 400

    @property
    def is_truncated(self) -> bool:
        """Whether the recording stops before the finish reason."""
        return bool(self.expected.get("truncated_recording"))


@dataclass
class Said:
    """What one answer said, in the recordings' words."""

    content: str = ""
    reasoning: str = ""
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    finish_reason: str | None = None
    native_finish_reason: str | None = None
    model: str = ""
    usage: dict[str, int] | None = None
    choices: set[int] = field(default_factory=set)


def load(path: Path) -> Recording:
    """Read a recording."""
    raw = json.loads(path.read_text())
    answer = raw["response"]
    return Recording(
        raw["id"],
        raw["provider"],
        raw["api"],
        raw["request"],
        answer["status"],
        {name.lower(): value for name, value in answer["headers"].items()},
        answer["body"].encode(),
        raw["expected"],
    )


def check_completion(recording: Recording, answer: ChatCompletion) -> None:
    """Assert that a whole answer is the expected one."""
    dumped = answer.model_dump()
    openai.types.chat.ChatCompletion.model_validate(dumped)
    json.dumps(dumped)
    choice = answer.choices[0]
    message = choice.message
    said = Said(
        content=message.content or "",
        reasoning=message.reasoning_content or "",
        tool_calls=[_call(c.id, c.function) for c in message.tool_calls or ()],
        finish_reason=choice.finish_reason,
        native_finish_reason=_native(choice),
        model=answer.model,
        usage=_usage(answer.usage),
        choices={c.index for c in answer.choices},
    )
    _check(recording, said)


def check_chunks(
    recording: Recording, chunks: Sequence[ChatCompletionChunk], usage: Usage | None
) -> None:
    """Assert that a stream keeps the grammar and adds up to the expected answer."""
    said = Said()
    calls: dict[int, dict[str, Any]] = {}
    finished: dict[int, int] = {}
    assert len({(c.id, c.created, c.model) for c in chunks}) == 1
    for number, chunk in enumerate(chunks):
        openai.types.chat.ChatCompletionChunk.model_validate(chunk.model_dump())
        if not chunk.choices:
            assert number == len(chunks) - 1, "the usage chunk comes last"
        for choice in chunk.choices:
            assert (choice.delta.role == "assistant") == (choice.index not in said.choices)
            said.choices.add(choice.index)
            if choice.finish_reason is not None:
                finished[choice.index] = finished.get(choice.index, 0) + 1
            if choice.index == 0:
                _add(said, calls, choice)
    said.model = chunks[0].model
    said.tool_calls = [_call(c["id"], c) for _, c in sorted(calls.items())]
    said.usage = _usage(usage)
    if not recording.is_truncated:
        assert finished == dict.fromkeys(said.choices, 1)
    _check(recording, said)


def check_error(recording: Recording, error: APIError) -> None:
    """Assert that an error is the expected one."""
    expected = recording.expected["error"]
    assert type(error).__name__ in expected["class"]
    assert error.status_code == expected["status"]
    assert expected["message"] in error.message
    assert error.type == expected["native_type"]
    assert error.code == expected["native_code"]
    assert error.retry_after == expected["retry_after"]


def _add(said: Said, calls: dict[int, dict[str, Any]], choice: Any) -> None:
    delta = choice.delta
    said.content += delta.content or ""
    said.reasoning += delta.reasoning_content or ""
    for piece in delta.tool_calls or ():
        if piece.index not in calls:
            assert piece.id
            assert piece.type == "function"
            assert piece.function.name
            assert piece.index == len(calls)
            calls[piece.index] = {"id": piece.id, "name": piece.function.name, "arguments": ""}
        else:
            assert piece.id is None
            assert piece.function.name is None
        calls[piece.index]["arguments"] += piece.function.arguments or ""
    if choice.finish_reason is not None:
        said.finish_reason = choice.finish_reason
        said.native_finish_reason = _native(choice)


def _check(recording: Recording, said: Said) -> None:
    expected = recording.expected
    assert said.content == expected["content"]
    assert said.reasoning == expected["reasoning"]
    assert said.model == expected["model"]
    assert len(said.choices) == expected["n_choices"]
    for name in ("finish_reason", "native_finish_reason"):
        if expected[name] is not None:
            assert getattr(said, name) == expected[name]
    _check_calls(said.tool_calls, expected["tool_calls"])
    if expected["usage"] is None:
        assert said.usage is None
    else:
        assert said.usage == {name: expected["usage"].get(name) or 0 for name in USAGE}


def _check_calls(calls: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    assert [c["name"] for c in calls] == [e["name"] for e in expected]
    for call, wanted in zip(calls, expected, strict=True):
        assert call["id"] == wanted["id"] if wanted["id"] is not None else call["id"]
        raw = wanted["arguments"]
        if isinstance(raw, dict) and "__raw__" in raw:
            assert call["arguments"] == raw["__raw__"]
        else:
            assert json.loads(call["arguments"]) == raw
    assert len({c["id"] for c in calls}) == len(calls)


def _call(id: str, function: Any) -> dict[str, Any]:
    if isinstance(function, dict):
        return {"id": id, "name": function["name"], "arguments": function["arguments"]}
    return {"id": id, "name": function.name, "arguments": function.arguments}


def _native(choice: Any) -> str | None:
    extra = choice.model_extra or {}
    native = extra.get("native_finish_reason", choice.finish_reason)
    return native if native is None else str(native)


def _usage(usage: Usage | None) -> dict[str, int] | None:
    return None if usage is None else {name: getattr(usage, name) for name in USAGE}
