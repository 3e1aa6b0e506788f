"""How long a client waits: of the client, of a copy, of a call; and what it raises then."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import openai
import pytest
from tests.drop_in.doors import ASK, TEXT
from tests.drop_in.replies import chunk
from tests.drop_in.wire import Answer, streamed

if TYPE_CHECKING:
    from tests.drop_in.doors import Door

SHORT_S = 0.15
LATE = Answer(waits=True)


def _within(began: float) -> bool:
    return time.monotonic() - began < 2.0


@pytest.mark.surface("timeouts")
def test_a_timeout_of_the_client_ends_the_call(door: Door) -> None:
    door.wire.script(LATE)
    client = door.sync(timeout=SHORT_S, max_retries=0)

    began = time.monotonic()
    with pytest.raises(openai.APITimeoutError):
        client.chat.completions.create(**ASK)

    assert _within(began)
    assert len(door.wire.requests) == 1


def test_a_timeout_of_a_copy_ends_the_call(door: Door) -> None:
    door.wire.script(LATE)
    client = door.sync(max_retries=0)

    began = time.monotonic()
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=SHORT_S).chat.completions.create(**ASK)

    assert _within(began)


def test_a_timeout_of_the_call_wins(door: Door) -> None:
    door.wire.script(LATE)
    client = door.sync(timeout=60, max_retries=0)

    began = time.monotonic()
    with pytest.raises(openai.APITimeoutError):
        client.chat.completions.create(**ASK, timeout=SHORT_S)

    assert _within(began)


def test_a_timeout_may_be_told_by_phase(door: Door) -> None:
    door.wire.script(LATE)
    timeout = openai.Timeout(60.0, read=SHORT_S)

    began = time.monotonic()
    with pytest.raises(openai.APITimeoutError):
        door.sync(timeout=timeout, max_retries=0).chat.completions.create(**ASK)

    assert _within(began)


def test_a_long_or_no_timeout_lets_the_answer_come(door: Door) -> None:
    for timeout in (None, 30, openai.Timeout(30.0, connect=1.0)):
        answer = door.sync(timeout=timeout).chat.completions.create(**ASK)

        assert answer.choices[0].message.content == TEXT


async def test_an_async_timeout_is_the_same(door: Door) -> None:
    door.wire.script(LATE)

    async with door.asynchronous(timeout=SHORT_S, max_retries=0) as client:
        began = time.monotonic()
        with pytest.raises(openai.APITimeoutError):
            await client.chat.completions.create(**ASK)

    assert _within(began)


def test_a_timeout_is_a_connection_error_with_its_request(door: Door) -> None:
    door.wire.script(LATE)

    with pytest.raises(openai.APIConnectionError) as caught:
        door.sync(timeout=SHORT_S, max_retries=0).chat.completions.create(**ASK)

    assert type(caught.value) is openai.APITimeoutError
    assert caught.value.message == "Request timed out."
    assert caught.value.request.url.path == "/v1/chat/completions"
    assert caught.value.__cause__ is not None


def test_a_timeout_is_asked_again(door: Door) -> None:
    door.wire.script(LATE)

    answer = door.sync(timeout=0.8, max_retries=1).chat.completions.create(**ASK)

    assert answer.choices[0].message.content == TEXT
    assert len(door.wire.requests) == 2


def test_a_timeout_on_other_endpoints_is_the_same(door: Door) -> None:
    door.wire.script(LATE, LATE)
    client = door.sync(timeout=SHORT_S, max_retries=0)

    with pytest.raises(openai.APITimeoutError):
        client.embeddings.create(model="text-embedding-3-small", input="x")
    with pytest.raises(openai.APITimeoutError):
        client.moderations.create(input="x")


def test_a_stream_that_falls_silent_times_out(door: Door) -> None:
    door.wire.script(streamed(chunk({"role": "assistant"}), chunk("Hel"), then="hang"))
    stream = door.sync(timeout=SHORT_S, max_retries=0).chat.completions.create(**ASK, stream=True)

    began = time.monotonic()
    seen, error = _read(stream)

    assert seen == ["Hel"]
    assert _within(began)
    if openai.VERSION.startswith("2."):
        assert "Timeout" in type(error).__name__
    else:
        assert isinstance(error, openai.APITimeoutError)


def _read(stream: Any) -> tuple[list[str], Exception | None]:
    seen: list[str] = []
    try:
        for part in stream:
            seen += [part.choices[0].delta.content] if part.choices[0].delta.content else []
    except Exception as error:  # noqa: BLE001 - which one it is, is what the test is about
        return seen, error
    return seen, None
