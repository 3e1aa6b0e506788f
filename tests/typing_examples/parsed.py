"""What mypy and pyright must see of answers in the caller's type; never run, both check it.

A line with an ignore comment must be an error: an ignore that is not needed is one itself.
"""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, assert_type

from pydantic import BaseModel

from trunkline import (
    AsyncChatCompletionStream,
    AsyncRouter,
    AsyncStream,
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionStream,
    CreateEmbeddingResponse,
    LengthFinishReasonError,
    ParsedChatCompletion,
    RawResponse,
    Router,
    Stream,
    pydantic_function_tool,
)

MESSAGES = [{"role": "user", "content": "Hello"}]


class Event(BaseModel):
    """Something that happens."""

    name: str


@dataclass
class Point:
    """A place."""

    x: int


def parsed(router: Router) -> str | None:
    answer = router.chat.completions.parse(
        model="auto", messages=MESSAGES, response_format=Event, temperature=0.2
    )
    assert_type(answer, ParsedChatCompletion[Event])
    event = answer.choices[0].message.parsed
    assert_type(event, Event | None)
    return event.name if event else answer.choices[0].message.refusal


def other_types(router: Router) -> None:
    point = router.chat.completions.parse(model="m", messages=MESSAGES, response_format=Point)
    assert_type(point.choices[0].message.parsed, Point | None)
    plain = router.chat.completions.parse(
        model="m", messages=MESSAGES, response_format={"type": "json_object"}
    )
    assert_type(plain, ParsedChatCompletion[None])


def tools(router: Router) -> Any:
    answer = router.chat.completions.parse(
        model="auto", messages=MESSAGES, tools=[pydantic_function_tool(Event, name="event")]
    )
    for call in answer.choices[0].message.tool_calls or ():
        assert_type(call.function.name, str)
        return call.function.parsed_arguments
    return None


def streamed(router: Router) -> None:
    with router.chat.completions.stream(
        model="auto", messages=MESSAGES, response_format=Event
    ) as stream:
        assert_type(stream, ChatCompletionStream[Event])
        for event in stream:
            if event.type == "content.delta":
                assert_type(event.delta, str)
            elif event.type == "content.done":
                assert_type(event.parsed, Event | None)
            elif event.type == "chunk":
                assert_type(event.chunk, ChatCompletionChunk)
            elif event.type == "tool_calls.function.arguments.done":
                assert_type(event.index, int)
        assert_type(stream.get_final_completion(), ParsedChatCompletion[Event])


def raw(router: Router) -> None:
    whole = router.chat.completions.with_raw_response.create(model="auto", messages=MESSAGES)
    assert_type(whole, RawResponse[ChatCompletion])
    assert_type(whole.parse(), ChatCompletion)
    assert_type(whole.headers["x-request-id"], str)
    stream = router.chat.completions.with_raw_response.create(
        model="auto", messages=MESSAGES, stream=True
    )
    assert_type(stream.parse(), Stream)
    read = router.chat.completions.with_raw_response.parse(
        model="auto", messages=MESSAGES, response_format=Event
    )
    assert_type(read.parse(), ParsedChatCompletion[Event])
    text = router.chat.completions.with_raw_response.parse(model="auto", messages=MESSAGES)
    assert_type(text.parse(), ParsedChatCompletion[None])
    vectors = router.embeddings.with_raw_response.create(model="m", input="a")
    assert_type(vectors.parse(), CreateEmbeddingResponse)


async def asynchronous(router: AsyncRouter) -> None:
    answer = await router.chat.completions.parse(
        model="auto", messages=MESSAGES, response_format=Event
    )
    assert_type(answer, ParsedChatCompletion[Event])
    async with router.chat.completions.stream(
        model="auto", messages=MESSAGES, response_format=Event
    ) as stream:
        assert_type(stream, AsyncChatCompletionStream[Event])
        async for event in stream:
            if event.type == "content.done":
                assert_type(event.parsed, Event | None)
        assert_type(await stream.get_final_completion(), ParsedChatCompletion[Event])
    raw = await router.chat.completions.with_raw_response.create(
        model="auto", messages=MESSAGES, stream=True
    )
    assert_type(raw.parse(), AsyncStream)


def kept(error: LengthFinishReasonError) -> None:
    assert_type(error.completion, ChatCompletion | None)


def views(router: Router) -> None:
    assert_type(router.copy(team="a"), Router)
    assert_type(router.is_closed(), bool)


def misspelt(router: Router) -> None:
    router.chat.completions.parse(model="m", messages=MESSAGES, temprature=1)  # type: ignore[call-overload]
    router.chat.completions.stream(model="m", messages=MESSAGES, response_format=5)  # type: ignore[call-overload]
