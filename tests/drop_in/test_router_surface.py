"""What code does with an ``OpenAI`` object, done with a ``Router`` and an ``AsyncRouter``.

The Router's own behaviour has its own tests; these hold its surface to the SDK's: the same calls
with the same words, on the same server.
"""

from __future__ import annotations

import copy
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pydantic import BaseModel
from tests.drop_in.doors import ASK, KEY, MODEL, TEXT, written
from tests.drop_in.replies import VECTORS, chunk, error
from tests.drop_in.wire import HANG_UP, Answer, failure, streamed

import trunkline
from trunkline import AsyncRouter, Router

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.drop_in.wire import Wire

TRIP = '{"city": "Oslo", "days": 3}'
EMBEDDER = "text-embedding-3-small"


class Trip(BaseModel):
    """What the model is to answer with."""

    city: str
    days: int


@pytest.fixture
def router(wire: Wire) -> Iterator[Any]:
    with Router(api_key=KEY, base_url=wire.url) as made:
        yield made


def _asynchronous(wire: Wire) -> Any:
    return AsyncRouter(api_key=KEY, base_url=wire.url)


@pytest.mark.surface("constructor", door="Router")
def test_arguments_of_the_endpoint_are_the_sdks(wire: Wire) -> None:
    endpoint: dict[str, Any] = {
        "organization": "org-1",
        "project": "proj-1",
        "default_headers": {"x-a": "1"},
        "default_query": {"v": "2"},
    }
    with Router(api_key=KEY, base_url=wire.url, **endpoint) as router:
        router.chat.completions.create(**ASK)

    sent = wire.last.headers
    assert sent["authorization"] == f"Bearer {KEY}"
    assert (sent["openai-organization"], sent["openai-project"]) == ("org-1", "proj-1")
    assert (sent["x-a"], wire.last.query) == ("1", {"v": ["2"]})


@pytest.mark.surface("environment variables", door="Router")
def test_variables_of_the_endpoint_are_the_sdks(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", wire.url)

    with Router() as router:
        router.chat.completions.create(**ASK)

    assert wire.last.headers["authorization"] == "Bearer sk-environment"


@pytest.mark.surface("with_options, copy", door="Router")
def test_a_view_has_its_own_options(router: Any, wire: Wire) -> None:
    wire.script(failure(500), failure(500))

    with pytest.raises(trunkline.InternalServerError):
        router.with_options(max_retries=1, timeout=9).chat.completions.create(**ASK)

    assert len(wire.requests) == 2


@pytest.mark.surface("extra_headers, extra_query, extra_body", door="Router")
def test_a_call_may_carry_more(router: Any, wire: Wire) -> None:
    router.chat.completions.create(
        **ASK, extra_headers={"x-a": "1"}, extra_query={"v": "2"}, extra_body={"top_k": 3}
    )

    assert wire.last.headers["x-a"] == "1"
    assert wire.last.query == {"v": ["2"]}
    assert wire.last.json == {**ASK, "top_k": 3}


@pytest.mark.surface("with_raw_response", door="Router")
def test_a_raw_response_has_headers_and_the_answer(router: Any) -> None:
    raw = router.chat.completions.with_raw_response.create(**ASK)

    assert raw.parse().choices[0].message.content == TEXT
    assert raw.request_id == "req_wire"
    assert "X-Request-Id" in raw.headers


async def test_an_async_raw_response_is_the_same(wire: Wire) -> None:
    async with _asynchronous(wire) as router:
        raw = await router.chat.completions.with_raw_response.create(**ASK)

    assert raw.parse().choices[0].message.content == TEXT


@pytest.mark.surface("chat.completions.create", door="Router")
def test_an_answer_has_the_sdks_fields(router: Any) -> None:
    answer = router.chat.completions.create(**ASK)

    assert answer.choices[0].message.content == TEXT
    assert (answer.object, answer.model, answer.usage.total_tokens) == ("chat.completion", MODEL, 5)


async def test_an_async_answer_has_the_sdks_fields(wire: Wire) -> None:
    async with _asynchronous(wire) as router:
        answer = await router.chat.completions.create(**ASK)

    assert answer.choices[0].message.content == TEXT


@pytest.mark.surface("pickling, copying, dumping", door="Router")
def test_an_answer_is_copied_pickled_and_dumped(router: Any) -> None:
    answer = router.chat.completions.create(**ASK)

    assert pickle.loads(pickle.dumps(answer)) == answer  # noqa: S301 - our own bytes
    assert copy.deepcopy(answer) == answer
    again = type(answer).model_validate_json(answer.model_dump_json())
    assert again.model_dump() == answer.model_dump()


@pytest.mark.surface("chat.completions.create, streamed", door="Router")
def test_a_stream_is_iterated_and_closed(router: Any, wire: Wire) -> None:
    with router.chat.completions.create(**ASK, stream=True) as stream:
        whole = written(stream)
    wire.script(streamed(chunk({"role": "assistant"}), chunk("Hel"), then="hang"))
    stream = router.chat.completions.create(**ASK, stream=True)
    next(stream)
    stream.close()

    assert whole == TEXT
    assert wire.wait_for_hang_up()


async def test_an_async_stream_is_iterated(wire: Wire) -> None:
    async with _asynchronous(wire) as router:
        stream = await router.chat.completions.create(**ASK, stream=True)
        seen = [part async for part in stream]

    assert written(seen) == TEXT


@pytest.mark.surface("include_usage", door="Router")
def test_usage_comes_last_where_it_was_asked_for(router: Any) -> None:
    options = {"include_usage": True}

    seen = list(router.chat.completions.create(**ASK, stream=True, stream_options=options))

    assert (seen[-1].choices, seen[-1].usage.total_tokens) == ([], 5)


@pytest.mark.surface("chat.completions.parse", door="Router")
def test_an_answer_is_parsed_to_the_type(router: Any, wire: Wire) -> None:
    wire.say(TRIP)

    answer = router.chat.completions.parse(**ASK, response_format=Trip)

    assert answer.choices[0].message.parsed == Trip(city="Oslo", days=3)
    assert wire.last.json["response_format"]["json_schema"]["strict"] is True


@pytest.mark.surface("chat.completions.stream", door="Router")
def test_the_stream_helper_tells_deltas_and_the_whole(router: Any, wire: Wire) -> None:
    wire.say(TRIP)

    with router.chat.completions.stream(**ASK, response_format=Trip) as stream:
        events = list(stream)
        final = stream.get_final_completion()

    deltas = [event.delta for event in events if event.type == "content.delta"]
    assert "".join(deltas) == TRIP
    assert [event.parsed for event in events if event.type == "content.done"] == [
        Trip(city="Oslo", days=3)
    ]
    assert final.choices[0].message.parsed == Trip(city="Oslo", days=3)


async def test_the_async_stream_helper_is_the_same(wire: Wire) -> None:
    async with _asynchronous(wire) as router, router.chat.completions.stream(**ASK) as stream:
        deltas = [event.delta async for event in stream if event.type == "content.delta"]

    assert "".join(deltas) == TEXT


@pytest.mark.surface("embeddings.create", door="Router")
def test_embeddings_are_numbers(router: Any) -> None:
    answer = router.embeddings.create(model=EMBEDDER, input=["a", "b"])

    assert [row.embedding for row in answer.data] == list(VECTORS)


@pytest.mark.surface("models.list, models.retrieve", door="Router")
def test_models_are_listed_and_retrieved(router: Any) -> None:
    listed = {model.id for model in router.models.list()}

    assert {f"openai/{MODEL}", f"openai/{EMBEDDER}"} <= listed
    assert router.models.retrieve(MODEL).id == f"openai/{MODEL}"


@pytest.mark.surface("retries", door="Router")
@pytest.mark.parametrize(("status", "asked"), [(408, 3), (409, 3), (429, 3), (500, 3), (400, 1)])
def test_failures_are_asked_again_as_by_the_sdk(
    router: Any, wire: Wire, status: int, asked: int
) -> None:
    wire.script(*[failure(status)] * 3)

    with pytest.raises(trunkline.APIStatusError):
        router.chat.completions.create(**ASK)

    assert len(wire.requests) == asked


@pytest.mark.surface("retry headers", door="Router")
def test_the_server_says_how_long_to_wait(router: Any, wire: Wire) -> None:
    wire.script(*[Answer(429, {}, {"retry-after": "0.1"})] * 3)

    began = time.monotonic()
    router.with_options(max_retries=3).chat.completions.create(**ASK)

    assert 0.3 <= time.monotonic() - began < 2.0


@pytest.mark.surface("timeouts", door="Router")
def test_a_call_may_be_cut_short(router: Any, wire: Wire) -> None:
    wire.script(Answer(waits=True))

    with pytest.raises(trunkline.APITimeoutError) as caught:
        router.with_options(max_retries=0).chat.completions.create(**ASK, timeout=0.15)

    assert isinstance(caught.value, trunkline.APIConnectionError)


@pytest.mark.surface("errors", door="Router")
def test_errors_have_the_sdks_names_and_attributes(router: Any, wire: Wire) -> None:
    told = error("Too long.", code="context_length_exceeded", param="messages")
    wire.script(Answer(400, told), HANG_UP)
    create = router.with_options(max_retries=0).chat.completions.create

    with pytest.raises(trunkline.BadRequestError) as caught:
        create(**ASK)
    with pytest.raises(trunkline.APIConnectionError):
        create(**ASK)

    assert (caught.value.status_code, caught.value.request_id) == (400, "req_wire")
    assert caught.value.code == "context_length_exceeded"
    assert "Too long." in str(caught.value)


@pytest.mark.surface("request ids", door="Router")
def test_an_answer_has_the_providers_request_id(router: Any) -> None:
    answer = router.chat.completions.create(**ASK)

    assert answer.routing.attempts[-1].request_id == "req_wire"


@pytest.mark.surface("close, is_closed", door="Router")
def test_a_router_says_whether_it_is_closed(wire: Wire) -> None:
    with Router(api_key=KEY, base_url=wire.url) as router:
        before = router.is_closed()

    assert (before, router.is_closed()) == (False, True)


@pytest.mark.surface("threads and tasks", door="Router")
def test_threads_share_a_router(router: Any) -> None:
    texts = [f"question {number}" for number in range(20)]

    def ask(text: str) -> str:
        messages = [{"role": "user", "content": text}]
        answer = router.chat.completions.create(model=MODEL, messages=messages)
        return str(answer.choices[0].message.content)

    with ThreadPoolExecutor(len(texts)) as pool:
        assert list(pool.map(ask, texts)) == texts


@pytest.mark.surface("http_client", door="Router")
def test_an_http_client_of_ones_own_carries_the_requests(wire: Wire) -> None:
    seen: list[str] = []
    hooks = {"request": [lambda request: seen.append(request.url.path)]}
    with (
        httpx.Client(event_hooks=hooks) as own,
        Router(api_key=KEY, base_url=wire.url, http_client=own) as router,
    ):
        router.chat.completions.create(**ASK)

    assert seen == ["/v1/chat/completions"]
