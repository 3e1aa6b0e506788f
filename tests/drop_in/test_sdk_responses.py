"""The responses endpoint: whole, streamed, with tools and types."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import openai
import pytest
from pydantic import BaseModel
from tests.drop_in.doors import MODEL, TEXT

if TYPE_CHECKING:
    from tests.drop_in.doors import Door

ASK: dict[str, Any] = {"model": MODEL, "input": TEXT}
TRIP = '{"city": "Oslo", "days": 3}'
CALL = ("call_1", "weather", '{"city": "Oslo"}')
PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOLS: list[Any] = [
    {"type": "function", "name": "weather", "parameters": PARAMETERS, "strict": True}
]


class Trip(BaseModel):
    """What the model is to answer with."""

    city: str
    days: int


@pytest.mark.surface("responses.create")
def test_a_response_has_its_text(client: Any) -> None:
    answer = client.responses.create(**ASK)

    assert type(answer) is openai.types.responses.Response
    assert answer.output_text == TEXT
    assert (answer.status, answer.object, answer.model) == ("completed", "response", MODEL)
    assert answer.output[0].type == "message"
    assert answer.output[0].content[0].type == "output_text"
    assert answer.error is None


def test_a_response_counts_its_tokens(client: Any) -> None:
    usage = client.responses.create(**ASK).usage

    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (3, 2, 5)
    assert usage.input_tokens_details.cached_tokens == 0
    assert usage.output_tokens_details.reasoning_tokens == 0


def test_a_response_has_the_request_id(client: Any) -> None:
    assert client.responses.create(**ASK)._request_id == "req_wire"


async def test_an_async_response_is_the_same(door: Door) -> None:
    async with door.asynchronous() as client:
        answer = await client.responses.create(**ASK)

    assert answer.output_text == TEXT


def test_the_input_may_be_messages(client: Any) -> None:
    given = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "input_text", "text": TEXT}]},
    ]

    answer = client.responses.create(model=MODEL, input=given, instructions="Be kind.")

    assert answer.output_text == TEXT


def test_a_response_calls_tools(door: Door, client: Any) -> None:
    door.wire.say(None, CALL)

    answer = client.responses.create(**ASK, tools=TOOLS)

    [call] = answer.output
    assert (call.type, call.call_id, call.name) == ("function_call", "call_1", "weather")
    assert json.loads(call.arguments) == {"city": "Oslo"}
    assert answer.output_text == ""


def test_what_a_tool_said_is_sent_back(door: Door, client: Any) -> None:
    door.wire.say(None, CALL)
    first = client.responses.create(**ASK, tools=TOOLS)
    door.wire.say("Sunny.")

    said = {"type": "function_call_output", "call_id": "call_1", "output": "sun"}
    given = [{"role": "user", "content": TEXT}, *first.output, said]
    second = client.responses.create(model=MODEL, input=given, tools=TOOLS)

    assert second.output_text == "Sunny."
    assert "sun" in door.wire.last.body.decode()


def test_a_refusal_is_content(door: Door, client: Any) -> None:
    door.wire.say(refusal="I cannot.")

    answer = client.responses.create(**ASK)

    assert answer.output[0].content[0].type == "refusal"
    assert answer.output[0].content[0].refusal == "I cannot."


def test_a_response_survives_pickling(client: Any) -> None:
    answer = client.responses.create(**ASK)

    assert type(answer).model_validate_json(answer.model_dump_json()) == answer


@pytest.mark.surface("responses.create, streamed")
def test_a_streamed_response_tells_its_events_in_order(client: Any) -> None:
    with client.responses.create(**ASK, stream=True) as stream:
        events = list(stream)

    kinds = [event.type for event in events]
    deltas = [event for event in events if event.type == "response.output_text.delta"]
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert "".join(event.delta for event in deltas) == TEXT
    assert events[-1].response.output_text == TEXT
    assert events[-1].response.usage.total_tokens == 5
    order = [kind for kind in kinds if kind != "response.output_text.delta"]
    assert order == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]


def test_events_of_a_response_are_numbered(client: Any) -> None:
    events = list(client.responses.create(**ASK, stream=True))

    assert [event.sequence_number for event in events] == list(range(len(events)))


def test_a_streamed_response_calls_tools(door: Door, client: Any) -> None:
    door.wire.say(None, CALL)

    events = list(client.responses.create(**ASK, tools=TOOLS, stream=True))

    kind = "response.function_call_arguments"
    deltas = [event.delta for event in events if event.type == f"{kind}.delta"]
    done = [event for event in events if event.type == f"{kind}.done"]
    assert "".join(deltas) == done[0].arguments == CALL[2]
    [call] = events[-1].response.output
    assert (call.call_id, call.name, call.arguments) == CALL


async def test_an_async_streamed_response_is_the_same(door: Door) -> None:
    async with door.asynchronous() as client:
        stream = await client.responses.create(**ASK, stream=True)
        events = [event async for event in stream]

    assert events[-1].type == "response.completed"
    assert events[-1].response.output_text == TEXT


@pytest.mark.surface("responses.parse")
def test_a_response_is_parsed_to_the_type(door: Door, client: Any) -> None:
    door.wire.say(TRIP)

    answer = client.responses.parse(**ASK, text_format=Trip)

    assert answer.output_parsed == Trip(city="Oslo", days=3)
    assert "json_schema" in door.wire.last.body.decode()


@pytest.mark.surface("responses.stream")
def test_the_stream_helper_tells_the_final_response(door: Door, client: Any) -> None:
    door.wire.say(TRIP)

    with client.responses.stream(**ASK, text_format=Trip) as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()

    assert "".join(deltas) == TRIP
    assert final.output_parsed == Trip(city="Oslo", days=3)


async def test_the_async_stream_helper_is_the_same(door: Door) -> None:
    async with door.asynchronous() as client, client.responses.stream(**ASK) as stream:
        kinds = [event.type async for event in stream]
        final = await stream.get_final_response()

    assert kinds[-1] == "response.completed"
    assert final.output_text == TEXT
