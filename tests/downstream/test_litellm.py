"""litellm over our clients, handed to each call as ``client``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import litellm
import openai
import pytest
from pydantic import BaseModel
from tests.downstream.fakes import EMBEDDER, MODEL
from tests.downstream.talk import SAID, TOLD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.downstream.conftest import Door

# The library is not written for the newest pydantic.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Items? .* on TypedDict class:UserWarning"),
    pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning"),
]

NAME = f"openai/{MODEL}"
WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tell the weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


class Weather(BaseModel):
    """How the weather is."""

    city: str
    degrees: int


@pytest.fixture(scope="module", autouse=True)
def _loop() -> Iterator[None]:
    """A loop of the thread's: synchronous calls would make one for their logs and leave it open."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


def talk(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def tokens(usage: Any) -> tuple[int, int]:
    return usage.prompt_tokens, usage.completion_tokens


def said(chunks: list[Any]) -> list[str]:
    return [c.choices[0].delta.content for c in chunks if c.choices and c.choices[0].delta.content]


def test_completion_answers_with_the_usage_of_the_books(door: Door) -> None:
    response = litellm.completion(model=NAME, messages=talk("hello"), client=door.client())

    assert response.choices[0].message.content == SAID + "hello"
    assert response.choices[0].finish_reason == "stop"
    assert [tokens(response.usage)] == door.billed()
    assert response.usage.prompt_tokens_details.cached_tokens == 3


def test_streamed_completion_yields_pieces_and_its_usage(door: Door) -> None:
    stream = litellm.completion(
        model=NAME,
        messages=talk("hello there"),
        client=door.client(),
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)

    assert len(said(chunks)) > 1
    assert "".join(said(chunks)) == SAID + "hello there"
    assert [tokens(chunks[-1].usage)] == door.billed()
    assert tokens(litellm.stream_chunk_builder(chunks).usage) == door.billed()[0]


async def test_acompletion_answers_with_the_usage_of_the_books(door: Door) -> None:
    async with door.async_client() as client:
        response = await litellm.acompletion(model=NAME, messages=talk("hello"), client=client)

    assert response.choices[0].message.content == SAID + "hello"
    assert [tokens(response.usage)] == door.billed()


async def test_streamed_acompletion_yields_pieces(door: Door) -> None:
    async with door.async_client() as client:
        stream = await litellm.acompletion(
            model=NAME, messages=talk("hello there"), client=client, stream=True
        )
        chunks = [chunk async for chunk in stream]

    assert "".join(said(chunks)) == SAID + "hello there"
    assert door.billed() == door.brain.usages


def test_a_tool_is_called_and_its_result_told(door: Door) -> None:
    asking = {"model": NAME, "client": door.client(), "tools": [WEATHER]}
    messages: list[Any] = talk("How is it in city=Oslo ?")

    asked = litellm.completion(messages=messages, **asking).choices[0]
    (call,) = asked.message.tool_calls
    told = {"role": "tool", "tool_call_id": call.id, "content": "sun in Oslo"}
    answer = litellm.completion(messages=[*messages, asked.message, told], **asking)

    assert asked.finish_reason == "tool_calls"
    assert (call.function.name, call.function.arguments) == ("weather", '{"city": "Oslo"}')
    assert answer.choices[0].message.content == TOLD + "sun in Oslo"


def test_a_streamed_tool_call_is_joined_from_its_pieces(door: Door) -> None:
    messages = talk("How is it in city=Trondheim ?")
    chunks = list(
        litellm.completion(
            model=NAME, messages=messages, client=door.client(), tools=[WEATHER], stream=True
        )
    )

    (call,) = litellm.stream_chunk_builder(chunks).choices[0].message.tool_calls
    assert (call.function.name, call.function.arguments) == ("weather", '{"city": "Trondheim"}')


def test_structured_output_of_a_model_class(door: Door) -> None:
    response = litellm.completion(
        model=NAME,
        messages=talk("city=Oslo degrees=7"),
        client=door.client(),
        response_format=Weather,
    )

    answer = Weather.model_validate_json(response.choices[0].message.content)
    assert answer == Weather(city="Oslo", degrees=7)
    assert door.brain.seen[-1]["response_format"]["type"] == "json_schema"


async def test_embedding_and_aembedding(door: Door) -> None:
    asking = {"model": f"openai/{EMBEDDER}", "input": ["one", "two"]}

    plain = litellm.embedding(**asking, client=door.client())
    async with door.async_client() as client:
        awaited = await litellm.aembedding(**asking, client=client)

    assert [row["embedding"] for row in plain.data] == [[0.5, 0.0], [0.5, 1.0]]
    assert awaited.data == plain.data
    booked = [prompt for prompt, _ in door.billed()]
    assert booked == [plain.usage.prompt_tokens, awaited.usage.prompt_tokens]


def test_old_completions_answer(our_door: Door) -> None:
    response = litellm.text_completion(
        model=f"text-completion-openai/{MODEL}", prompt="hello", client=our_door.client()
    )

    assert response.choices[0].text == SAID + "hello"
    assert [tokens(response.usage)] == our_door.billed()


def test_its_router_hands_the_client_on(door: Door) -> None:
    router = litellm.Router(
        model_list=[{"model_name": "fast", "litellm_params": {"model": NAME, "api_key": "unused"}}]
    )

    response = router.completion(model="fast", messages=talk("hello"), client=door.client())

    assert response.choices[0].message.content == SAID + "hello"
    assert [tokens(response.usage)] == door.billed()


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, litellm.BadRequestError),
        (401, litellm.AuthenticationError),
        (429, litellm.RateLimitError),
        (500, litellm.InternalServerError),
    ],
)
def test_failures_are_mapped_to_its_own_classes(door: Door, status: int, error: Any) -> None:
    with pytest.raises(error, match="as the prompt asked") as caught:
        litellm.completion(model=NAME, messages=talk(f"FAIL {status}"), client=door.client())

    assert isinstance(caught.value, openai.APIStatusError)
    assert caught.value.status_code == status


async def test_an_awaited_failure_is_mapped(door: Door) -> None:
    async with door.async_client() as client:
        with pytest.raises(litellm.RateLimitError):
            await litellm.acompletion(model=NAME, messages=talk("FAIL 429"), client=client)


@pytest.mark.parametrize(("max_retries", "requests"), [(0, 1), (1, 2)])
def test_retries_that_it_sets_on_the_client_do_not_multiply(
    door: Door, max_retries: int, requests: int
) -> None:
    with pytest.raises(litellm.RateLimitError):
        litellm.completion(
            model=NAME, messages=talk("FAIL 429"), client=door.client(), max_retries=max_retries
        )

    assert len(door.brain.seen) == requests


def test_a_stream_that_breaks_off_raises_after_what_came(door: Door) -> None:
    stream = litellm.completion(
        model=NAME, messages=talk("BREAK off"), client=door.client(), stream=True
    )
    came = [next(stream), next(stream)]

    with pytest.raises(litellm.exceptions.MidStreamFallbackError, match="broken off"):
        list(stream)

    assert said(came) == ["You"]


def test_tags_for_the_books_go_by_extra_body(our_door: Door) -> None:
    litellm.completion(
        model=NAME,
        messages=talk("hello"),
        client=our_door.client(),
        extra_body={"trunkline": {"tags": {"job": "nightly"}}},
    )

    (row,) = our_door.books().usage.summary(by=["tag:job"])
    assert (row["tag:job"], row["calls"]) == ("nightly", 1)


def test_a_failure_that_passes_is_retried_unseen(door: Door) -> None:
    messages = talk("FAIL 429 ONCE")

    response = litellm.completion(model=NAME, messages=messages, client=door.client())

    assert response.choices[0].message.content == SAID + "FAIL 429 ONCE"


@pytest.mark.parametrize("stream", [False, True])
def test_a_budget_refuses_once_as_status_402(inside: Door, stream: bool) -> None:
    inside.budget("0.0000001")

    with pytest.raises(litellm.APIError) as caught:
        litellm.completion(
            model=NAME, messages=talk("hello"), client=inside.client(), stream=stream
        )

    assert issubclass(caught.type, openai.APIError)
    assert caught.value.status_code == 402
    assert len(inside.refusals) == 1
    assert inside.brain.seen == []
