"""Answers whose content and tool arguments were read into the caller's types.

Names and shapes are those of the OpenAI SDK's helpers. Reading is ``_structured``'s business.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from pydantic import Field

from .chat import (
    ChatCompletion,
    ChatCompletionMessage,
    Choice,
    FinishReason,
    FunctionCall,
    ToolCall,
)

T = TypeVar("T")


class ParsedFunction(FunctionCall):
    """A function call with its arguments read.

    Attributes:
        parsed_arguments: An instance of the model given to ``pydantic_function_tool``, what the
            JSON says for another strict tool, and ``None`` for a tool that was not offered.
    """

    parsed_arguments: Any = None


class ParsedFunctionToolCall(ToolCall):
    """A call of a function, with its arguments read."""

    function: ParsedFunction = Field()  # pyright: ignore[reportIncompatibleVariableOverride]


class ParsedChatCompletionMessage(ChatCompletionMessage, Generic[T]):
    """What the model said, read.

    Attributes:
        parsed: The content as ``response_format``; ``None`` where the model refused, said nothing,
            or no type was given.
    """

    parsed: T | None = None
    tool_calls: list[ParsedFunctionToolCall] | None = None  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleVariableOverride]


class ParsedChoice(Choice, Generic[T]):
    """One of ``n`` answers, read."""

    message: ParsedChatCompletionMessage[T]  # pyright: ignore[reportIncompatibleVariableOverride]


class ParsedChatCompletion(ChatCompletion, Generic[T]):
    """A whole answer, read; everything of a ``ChatCompletion``, ``routing`` included."""

    choices: list[ParsedChoice[T]] = Field(min_length=1)  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleVariableOverride]


class MessageSnapshot(ParsedChatCompletionMessage[T], Generic[T]):
    """A message as far as it came; calls of custom tools, which are not read, are in it too."""

    tool_calls: list[ParsedFunctionToolCall | ToolCall] | None = None  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleVariableOverride]


class ChoiceSnapshot(ParsedChoice[T], Generic[T]):
    """One choice of an answer that is still coming; its finish reason is ``None`` until it came."""

    message: MessageSnapshot[T]  # pyright: ignore[reportIncompatibleVariableOverride]
    finish_reason: FinishReason | None = None  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleVariableOverride]


class ChatCompletionSnapshot(ParsedChatCompletion[T], Generic[T]):
    """An answer as far as it came; it grows while its stream is read."""

    choices: list[ChoiceSnapshot[T]]  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleVariableOverride]
