"""The SDK's helpers over chat: ``parse`` and ``stream``, with pydantic types and tools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai
import pytest
from pydantic import BaseModel
from tests.drop_in.doors import ASK, TEXT
from tests.drop_in.replies import completion
from tests.drop_in.wire import Answer

if TYPE_CHECKING:
    from tests.drop_in.doors import Door

TRIP = '{"city": "Oslo", "days": 3}'


class Trip(BaseModel):
    """What the model is to answer with."""

    city: str
    days: int


class Weather(BaseModel):
    """The arguments of a tool."""

    city: str


TOOLS = [openai.pydantic_function_tool(Weather, name="weather")]
CALL = ("call_1", "weather", '{"city": "Oslo"}')


@pytest.mark.surface("chat.completions.parse")
def test_an_answer_is_parsed_to_the_type(door: Door, client: Any) -> None:
    door.wire.say(TRIP)

    answer = client.chat.completions.parse(**ASK, response_format=Trip)

    assert answer.choices[0].message.parsed == Trip(city="Oslo", days=3)
    assert answer.choices[0].message.content == TRIP


def test_the_type_is_sent_as_a_strict_schema(door: Door, client: Any) -> None:
    door.wire.say(TRIP)

    client.chat.completions.parse(**ASK, response_format=Trip)

    sent = door.wire.last.json["response_format"]
    assert sent["type"] == "json_schema"
    assert sent["json_schema"]["name"] == "Trip"
    assert sent["json_schema"]["strict"] is True
    assert sent["json_schema"]["schema"]["additionalProperties"] is False
    assert sent["json_schema"]["schema"]["required"] == ["city", "days"]


async def test_an_async_answer_is_parsed(door: Door) -> None:
    door.wire.say(TRIP)

    async with door.asynchronous() as client:
        answer = await client.chat.completions.parse(**ASK, response_format=Trip)

    assert answer.choices[0].message.parsed == Trip(city="Oslo", days=3)


def test_a_refusal_is_not_parsed(door: Door, client: Any) -> None:
    door.wire.say(refusal="I cannot.")

    message = client.chat.completions.parse(**ASK, response_format=Trip).choices[0].message

    assert (message.parsed, message.content, message.refusal) == (None, None, "I cannot.")


def test_arguments_of_a_tool_are_parsed(door: Door, client: Any) -> None:
    door.wire.say(None, CALL)

    message = client.chat.completions.parse(**ASK, tools=TOOLS).choices[0].message

    assert message.tool_calls[0].function.parsed_arguments == Weather(city="Oslo")
    assert message.parsed is None


@pytest.mark.parametrize(
    ("finish", "error"),
    [
        ("length", openai.LengthFinishReasonError),
        ("content_filter", openai.ContentFilterFinishReasonError),
    ],
)
def test_an_answer_that_was_cut_off_is_an_error(
    door: Door, client: Any, finish: str, error: type[Exception]
) -> None:
    body = completion(TRIP[:8])
    body["choices"][0]["finish_reason"] = finish
    door.wire.script(Answer(body=body))

    with pytest.raises(error):
        client.chat.completions.parse(**ASK, response_format=Trip)


def test_parse_is_also_in_beta(door: Door, client: Any) -> None:
    door.wire.say(TRIP)

    answer = client.beta.chat.completions.parse(**ASK, response_format=Trip)

    assert answer.choices[0].message.parsed == Trip(city="Oslo", days=3)


def test_a_raw_response_of_parse_is_parsed_too(door: Door, client: Any) -> None:
    door.wire.say(TRIP)

    raw = client.chat.completions.with_raw_response.parse(**ASK, response_format=Trip)

    assert raw.request_id == "req_wire"
    assert raw.parse().choices[0].message.parsed == Trip(city="Oslo", days=3)


@pytest.mark.surface("chat.completions.stream")
def test_the_stream_helper_tells_deltas_and_the_whole(client: Any) -> None:
    with client.chat.completions.stream(**ASK) as stream:
        events = list(stream)
        final = stream.get_final_completion()

    deltas = [event for event in events if event.type == "content.delta"]
    done = [event for event in events if event.type == "content.done"]
    assert "".join(event.delta for event in deltas) == TEXT
    assert deltas[-1].snapshot == TEXT
    assert [event.content for event in done] == [TEXT]
    assert final.choices[0].message.content == TEXT
    assert final.choices[0].finish_reason == "stop"


def test_the_stream_helper_tells_every_chunk(client: Any) -> None:
    with client.chat.completions.stream(**ASK) as stream:
        told = [event.chunk for event in stream if event.type == "chunk"]

    assert "".join(part.choices[0].delta.content or "" for part in told) == TEXT


def test_the_stream_helper_parses(door: Door, client: Any) -> None:
    door.wire.say(TRIP)

    with client.chat.completions.stream(**ASK, response_format=Trip) as stream:
        done = [event.parsed for event in stream if event.type == "content.done"]
        final = stream.get_final_completion()

    assert done == [Trip(city="Oslo", days=3)]
    assert final.choices[0].message.parsed == Trip(city="Oslo", days=3)


def test_the_stream_helper_tells_tool_calls(door: Door, client: Any) -> None:
    door.wire.say(None, CALL)
    kind = "tool_calls.function.arguments"

    with client.chat.completions.stream(**ASK, tools=TOOLS) as stream:
        events = [event for event in stream if event.type.startswith(kind)]

    deltas = [event for event in events if event.type == f"{kind}.delta"]
    assert "".join(event.arguments_delta for event in deltas) == CALL[2]
    assert events[-1].type == f"{kind}.done"
    assert (events[-1].name, events[-1].index) == ("weather", 0)
    assert events[-1].parsed_arguments == Weather(city="Oslo")


def test_the_stream_helper_tells_a_refusal(door: Door, client: Any) -> None:
    door.wire.say(refusal="I cannot do that.")

    with client.chat.completions.stream(**ASK, response_format=Trip) as stream:
        done = [event.refusal for event in stream if event.type == "refusal.done"]

    assert done == ["I cannot do that."]


def test_the_stream_helper_carries_usage(client: Any) -> None:
    options = {"include_usage": True}

    with client.chat.completions.stream(**ASK, stream_options=options) as stream:
        final = stream.get_final_completion()

    assert final.usage.total_tokens == 5


async def test_the_async_stream_helper_is_the_same(door: Door) -> None:
    door.wire.say(TRIP)

    async with (
        door.asynchronous() as client,
        client.chat.completions.stream(**ASK, response_format=Trip) as stream,
    ):
        deltas = [event.delta async for event in stream if event.type == "content.delta"]
        final = await stream.get_final_completion()

    assert "".join(deltas) == TRIP
    assert final.choices[0].message.parsed == Trip(city="Oslo", days=3)
