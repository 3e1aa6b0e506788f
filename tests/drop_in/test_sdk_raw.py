"""Raw and streamed-raw responses, request ids, and the way back to parsed results."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import openai
import pytest
from tests.drop_in.doors import ASK, MODEL, TEXT, written
from tests.drop_in.replies import completion
from tests.drop_in.wire import SPEECH, Answer, failure

if TYPE_CHECKING:
    from pathlib import Path

    from tests.drop_in.doors import Door


@pytest.mark.surface("with_raw_response")
def test_a_raw_response_has_status_headers_and_request(client: Any) -> None:
    raw = client.chat.completions.with_raw_response.create(**ASK)

    assert raw.status_code == 200
    assert raw.headers["content-type"].startswith("application/json")
    assert (raw.method, raw.url.path) == ("POST", "/v1/chat/completions")
    assert raw.http_request.headers["authorization"] == "Bearer sk-test"
    assert raw.elapsed.total_seconds() >= 0


def test_a_raw_response_parses_to_the_result(client: Any) -> None:
    raw = client.chat.completions.with_raw_response.create(**ASK)

    parsed = raw.parse()

    assert isinstance(parsed, openai.types.chat.ChatCompletion)
    assert parsed.choices[0].message.content == TEXT
    assert raw.parse() is parsed


def test_a_raw_response_parses_to_another_type(client: Any) -> None:
    raw = client.chat.completions.with_raw_response.create(**ASK)

    class Thin(openai.BaseModel):
        id: str

    assert raw.parse(to=Thin).id == raw.parse().id


def test_a_raw_response_has_text_and_content(client: Any) -> None:
    raw = client.chat.completions.with_raw_response.create(**ASK)

    assert json.loads(raw.text) == json.loads(raw.content)
    assert json.loads(raw.text)["choices"][0]["message"]["content"] == TEXT


def test_a_raw_response_shows_the_providers_headers(door: Door, client: Any) -> None:
    headers = {"x-ratelimit-remaining-requests": "59", "openai-processing-ms": "12"}
    door.wire.script(Answer(body=completion("x"), headers=headers))

    raw = client.chat.completions.with_raw_response.create(**ASK)

    assert {name: raw.headers.get(name) for name in headers} == headers


def test_a_raw_response_has_the_request_id(door: Door, client: Any) -> None:
    raw = client.chat.completions.with_raw_response.create(**ASK)

    assert raw.request_id == raw.headers["x-request-id"] == "req_wire"
    assert raw.parse()._request_id == "req_wire"


def test_a_raw_response_of_a_stream_parses_to_the_stream(client: Any) -> None:
    raw = client.chat.completions.with_raw_response.create(**ASK, stream=True)

    with raw.parse() as stream:
        assert isinstance(stream, openai.Stream)
        assert written(stream) == TEXT
    assert raw.headers["content-type"].startswith("text/event-stream")


def test_a_raw_response_of_a_failure_raises(door: Door, client: Any) -> None:
    door.wire.script(failure(400))

    with pytest.raises(openai.BadRequestError):
        client.chat.completions.with_raw_response.create(**ASK)


def test_a_raw_response_of_a_list_parses_to_a_page(client: Any) -> None:
    page = client.models.with_raw_response.list().parse()

    assert [model.id for model in page]


async def test_an_async_raw_response_is_the_same(door: Door) -> None:
    async with door.asynchronous() as client:
        raw = await client.chat.completions.with_raw_response.create(**ASK)

    assert raw.status_code == 200
    assert raw.request_id == "req_wire"
    assert raw.parse().choices[0].message.content == TEXT


def test_a_raw_response_of_responses_is_the_same(client: Any) -> None:
    raw = client.responses.with_raw_response.create(model=MODEL, input=TEXT)

    assert raw.request_id == "req_wire"
    assert raw.parse().output_text == TEXT


@pytest.mark.surface("with_streaming_response")
def test_a_streamed_response_is_read_by_lines(client: Any) -> None:
    with client.chat.completions.with_streaming_response.create(**ASK) as response:
        lines = list(response.iter_lines())

    assert json.loads("".join(lines))["choices"][0]["message"]["content"] == TEXT


def test_a_streamed_response_is_read_by_text_and_bytes(client: Any) -> None:
    create = client.chat.completions.with_streaming_response.create
    with create(**ASK) as response:
        text = "".join(response.iter_text())
    with create(**ASK) as response:
        data = b"".join(response.iter_bytes(chunk_size=7))

    for body in (text, data):
        assert json.loads(body)["choices"][0]["message"]["content"] == TEXT


def test_a_streamed_response_is_read_whole(client: Any) -> None:
    create = client.chat.completions.with_streaming_response.create
    with create(**ASK) as response:
        assert response.json()["choices"][0]["message"]["content"] == TEXT
        assert json.loads(response.text()) == json.loads(response.read())
        assert response.status_code == 200


def test_a_streamed_response_parses_to_the_result(client: Any) -> None:
    with client.chat.completions.with_streaming_response.create(**ASK) as response:
        parsed = response.parse()

    assert parsed.choices[0].message.content == TEXT
    assert response.request_id == "req_wire"


def test_a_streamed_response_of_bytes_is_written_to_a_file(client: Any, tmp_path: Path) -> None:
    file = tmp_path / "speech.mp3"

    create = client.audio.speech.with_streaming_response.create
    with create(model="tts-1", voice="alloy", input="Hi") as response:
        response.stream_to_file(file)

    assert file.read_bytes() == SPEECH


def test_the_lines_of_a_streamed_answer_are_server_sent_events(client: Any) -> None:
    create = client.chat.completions.with_streaming_response.create
    with create(**ASK, stream=True) as response:
        lines = [line for line in response.iter_lines() if line]

    events = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
    deltas = [event["choices"][0]["delta"] for event in events if event["choices"]]
    assert lines[-1] == "data: [DONE]"
    assert "".join(delta.get("content") or "" for delta in deltas) == TEXT


def test_a_streamed_response_parses_to_the_stream(client: Any) -> None:
    create = client.chat.completions.with_streaming_response.create
    with create(**ASK, stream=True) as response:
        assert written(response.parse()) == TEXT


async def test_an_async_streamed_response_is_the_same(door: Door) -> None:
    async with door.asynchronous() as client:
        create = client.chat.completions.with_streaming_response.create
        async with create(**ASK) as response:
            lines = [line async for line in response.iter_lines()]
        async with create(**ASK) as response:
            parsed = await response.parse()

    assert json.loads("".join(lines))["choices"][0]["message"]["content"] == TEXT
    assert parsed.choices[0].message.content == TEXT
