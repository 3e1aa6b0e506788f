"""The SDK's errors: their classes, what they carry, what they say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import openai
import pytest
from tests.drop_in.doors import ASK
from tests.drop_in.replies import error
from tests.drop_in.wire import HANG_UP, Answer, failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.drop_in.doors import Door

CLASSES = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    402: openai.APIStatusError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    409: openai.ConflictError,
    413: openai.APIStatusError,
    422: openai.UnprocessableEntityError,
    429: openai.RateLimitError,
    500: openai.InternalServerError,
    503: openai.InternalServerError,
    529: openai.InternalServerError,
}


def _fails(door: Door, answer: Answer, **params: Any) -> Any:
    door.wire.script(answer)
    with pytest.raises(openai.APIError) as caught:
        door.sync(max_retries=0).chat.completions.create(**ASK, **params)
    return caught.value


@pytest.mark.surface("errors")
@pytest.mark.parametrize("status", sorted(CLASSES))
def test_the_class_goes_by_the_status(door: Door, status: int) -> None:
    failed = _fails(door, failure(status))

    assert type(failed) is CLASSES[status]
    assert failed.status_code == status


def test_an_error_carries_what_the_body_says(door: Door) -> None:
    told = error("Too long.", code="context_length_exceeded", param="messages")

    failed = _fails(door, Answer(400, told))

    assert failed.code == "context_length_exceeded"
    assert failed.param == "messages"
    assert failed.type == "invalid_request_error"
    assert failed.body == told["error"]
    assert "Too long." in failed.message
    assert str(failed) == failed.message
    assert failed.message.startswith("Error code: 400 - ")


def test_an_error_carries_response_and_request(door: Door) -> None:
    headers = {"x-request-id": "req_9", "x-ratelimit-limit-requests": "60"}

    failed = _fails(door, Answer(429, error(), headers))

    assert failed.request_id == failed.response.headers["x-request-id"] == "req_9"
    assert failed.response.status_code == 429
    assert failed.response.headers["x-ratelimit-limit-requests"] == "60"
    assert failed.response.json()["error"] == error()["error"]
    assert failed.request.url.path == "/v1/chat/completions"
    assert json.loads(failed.request.content)["model"] == ASK["model"]


def test_an_empty_body_is_an_error_all_the_same(door: Door) -> None:
    failed = _fails(door, Answer(404, b""))

    assert type(failed) is openai.NotFoundError
    assert str(failed).startswith("Error code: 404")


def test_a_code_that_is_a_number_is_kept(door: Door) -> None:
    failed = _fails(door, Answer(400, error(code=1234)))

    assert str(failed.code) == "1234"


def test_a_failed_stream_is_raised_by_the_call(door: Door) -> None:
    failed = _fails(door, failure(401), stream=True)

    assert type(failed) is openai.AuthenticationError
    assert failed.response.json()["error"]["message"] == "status 401"


async def test_an_async_error_is_the_same(door: Door) -> None:
    door.wire.script(Answer(429, error("Slow.", code="rate_limit"), {"x-request-id": "req_9"}))

    async with door.asynchronous(max_retries=0) as client:
        with pytest.raises(openai.RateLimitError) as caught:
            await client.chat.completions.create(**ASK)

    assert (caught.value.code, caught.value.request_id) == ("rate_limit", "req_9")


def test_no_server_is_a_connection_error_with_request_and_cause(door: Door, nowhere: str) -> None:
    client = door.sync(base_url=nowhere, max_retries=0)

    with pytest.raises(openai.APIConnectionError) as caught:
        client.chat.completions.create(**ASK)

    failed = caught.value
    assert type(failed) is openai.APIConnectionError
    assert failed.message == str(failed)
    assert str(failed.request.url) == f"{nowhere}/chat/completions"
    assert failed.body is None
    assert failed.__cause__ is not None


def test_a_connection_cut_in_the_answer_is_a_connection_error(door: Door) -> None:
    failed = _fails(door, Answer(body={"choices": []}, then="cut"))

    assert type(failed) is openai.APIConnectionError


async def test_an_async_connection_error_is_the_same(door: Door) -> None:
    door.wire.script(HANG_UP)

    async with door.asynchronous(max_retries=0) as client:
        with pytest.raises(openai.APIConnectionError) as caught:
            await client.chat.completions.create(**ASK)

    assert caught.value.__cause__ is not None


def test_errors_of_other_endpoints_are_the_same(door: Door) -> None:
    client = door.sync(max_retries=0)
    calls: list[Callable[[], Any]] = [
        lambda: client.embeddings.create(model="text-embedding-3-small", input="x"),
        lambda: client.responses.create(model=ASK["model"], input="x"),
        lambda: client.completions.create(model=ASK["model"], prompt="x"),
        lambda: client.moderations.create(input="x"),
    ]
    for call in calls:
        door.wire.script(Answer(400, error("Bad.", code="bad"), {"x-request-id": "req_9"}))

        with pytest.raises(openai.BadRequestError) as caught:
            call()

        assert (caught.value.code, caught.value.request_id) == ("bad", "req_9")


def test_an_unknown_model_is_not_found(door: Door) -> None:
    missing = Answer(404, error("The model `nope` does not exist", code="model_not_found"))
    door.wire.script(missing)

    with pytest.raises(openai.NotFoundError) as caught:
        door.sync().chat.completions.create(**{**ASK, "model": "nope"})

    assert caught.value.code == "model_not_found"
    assert door.wire.last.json["model"] == "nope"
