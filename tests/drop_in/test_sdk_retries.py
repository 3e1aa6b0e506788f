"""What is asked again, how often, and after how long; counted where the requests arrive."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import openai
import pytest
from tests.drop_in.doors import ASK, TEXT
from tests.drop_in.wire import HANG_UP, Answer, failure

if TYPE_CHECKING:
    from tests.drop_in.doors import Door

ASKED_AGAIN = (408, 409, 429, 500, 503)
ASKED_ONCE = (400, 401, 403, 404, 413, 422)


@pytest.mark.surface("retries")
@pytest.mark.parametrize("status", ASKED_AGAIN)
def test_a_passing_failure_is_asked_again_twice(door: Door, client: Any, status: int) -> None:
    door.wire.script(*[failure(status)] * 3)

    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(**ASK)

    assert caught.value.status_code == status
    assert len(door.wire.requests) == 3


@pytest.mark.parametrize("status", ASKED_ONCE)
def test_a_lasting_failure_is_asked_once(door: Door, client: Any, status: int) -> None:
    door.wire.script(*[failure(status)] * 3)

    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(**ASK)

    assert caught.value.status_code == status
    assert len(door.wire.requests) == 1


def test_a_retry_that_succeeds_is_the_answer(door: Door, client: Any) -> None:
    door.wire.script(failure(500), failure(429))

    answer = client.chat.completions.create(**ASK)

    assert answer.choices[0].message.content == TEXT
    assert [request.json for request in door.wire.requests] == [ASK] * 3


async def test_an_async_retry_is_the_same(door: Door) -> None:
    door.wire.script(failure(500), failure(429))

    async with door.asynchronous() as client:
        answer = await client.chat.completions.create(**ASK)

    assert answer.choices[0].message.content == TEXT
    assert len(door.wire.requests) == 3


def test_a_stream_is_asked_again_before_it_begins(door: Door, client: Any) -> None:
    door.wire.script(failure(503))

    chunks = list(client.chat.completions.create(**ASK, stream=True))

    assert chunks[-1].choices[0].finish_reason == "stop"
    assert len(door.wire.requests) == 2


def test_a_raw_response_comes_from_the_last_try(door: Door, client: Any) -> None:
    door.wire.script(failure(500))

    raw = client.chat.completions.with_raw_response.create(**ASK)

    assert raw.status_code == 200
    assert len(door.wire.requests) == 2


@pytest.mark.parametrize("retries", [0, 1, 4])
def test_the_client_says_how_often(door: Door, retries: int) -> None:
    door.wire.script(*[failure(500)] * 9)

    with pytest.raises(openai.InternalServerError):
        door.sync(max_retries=retries).chat.completions.create(**ASK)

    assert len(door.wire.requests) == retries + 1


@pytest.mark.parametrize("retries", [0, 3])
def test_with_options_says_how_often(door: Door, client: Any, retries: int) -> None:
    door.wire.script(*[failure(500)] * 9)

    with pytest.raises(openai.InternalServerError):
        client.with_options(max_retries=retries).chat.completions.create(**ASK)

    assert len(door.wire.requests) == retries + 1


def test_a_lost_connection_is_asked_again(door: Door) -> None:
    door.wire.script(HANG_UP)

    answer = door.sync(max_retries=1).chat.completions.create(**ASK)

    assert answer.choices[0].message.content == TEXT
    assert len(door.wire.requests) == 2


def test_without_retries_a_lost_connection_is_an_error(door: Door) -> None:
    door.wire.script(HANG_UP)

    with pytest.raises(openai.APIConnectionError):
        door.sync(max_retries=0).chat.completions.create(**ASK)

    assert len(door.wire.requests) == 1


@pytest.mark.surface("retry headers")
@pytest.mark.parametrize("header", [{"retry-after-ms": "100"}, {"retry-after": "0.1"}])
def test_the_server_says_how_long_to_wait(door: Door, header: dict[str, str]) -> None:
    door.wire.script(*[Answer(429, {}, header)] * 3)

    began = time.monotonic()
    door.sync(max_retries=3).chat.completions.create(**ASK)
    took_s = time.monotonic() - began

    assert 0.3 <= took_s < 2.0, "the waits of its own would be at least 2.6 s"


def test_milliseconds_win_over_seconds(door: Door, client: Any) -> None:
    door.wire.script(Answer(429, {}, {"retry-after-ms": "1", "retry-after": "60"}))

    client.chat.completions.create(**ASK)

    assert len(door.wire.requests) == 2


@pytest.mark.parametrize("status", [429, 500])
def test_the_server_may_forbid_a_retry(door: Door, client: Any, status: int) -> None:
    door.wire.script(failure(status, x_should_retry="false"))

    with pytest.raises(openai.APIStatusError):
        client.chat.completions.create(**ASK)

    assert len(door.wire.requests) == 1


def test_the_server_may_ask_for_a_retry(door: Door, client: Any) -> None:
    door.wire.script(failure(400, x_should_retry="true"))

    answer = client.chat.completions.create(**ASK)

    assert answer.choices[0].message.content == TEXT
    assert len(door.wire.requests) == 2


def test_other_endpoints_are_asked_again_too(door: Door, client: Any) -> None:
    door.wire.script(failure(500))
    client.embeddings.create(model="text-embedding-3-small", input="x")
    door.wire.script(failure(500))
    client.models.list()
    door.wire.script(failure(500))
    client.moderations.create(input="x")

    paths = [request.path for request in door.wire.requests]
    assert paths == [
        *["/v1/embeddings"] * 2,
        *["/v1/models"] * 2,
        *["/v1/moderations"] * 2,
    ]
