"""``with_raw_response``: the answer with headers and status, beside the genuine SDK's."""

from __future__ import annotations

import pickle
from dataclasses import replace
from decimal import Decimal
from typing import Any, cast

import pytest
from pydantic import BaseModel
from pydantic_core import from_json
from tests.support.beside import REQUEST_ID, Answering, genuine
from tests.support.faces import (
    HELLO,
    Scripted,
    completion,
    failing,
    scripted_router,
    stream_of,
    written,
    zoo,
)
from tests.support.inside import Inside

from trunkline import (
    AsyncRouter,
    AsyncStream,
    Attempt,
    ChatCompletion,
    ConfigurationError,
    CreateEmbeddingResponse,
    FeedbackError,
    LengthFinishReasonError,
    RawResponse,
    Router,
    Routing,
    Stream,
)
from trunkline._raw import Headers
from trunkline.types.headers import routing_headers
from trunkline.types.routing import Actual, Prediction

BODY = completion("Hello", service_tier="default")
ASKED: dict[str, Any] = {"model": "p/m", "messages": HELLO}


class Event(BaseModel):
    name: str


def raw_router(body: bytes = BODY) -> Any:
    return Router(providers=[Answering(body)], store=":memory:")


def test_what_the_sdk_tells_of_a_whole_answer_is_told_alike() -> None:
    with genuine(BODY, []) as client:
        theirs = client.chat.completions.with_raw_response.create(model="m", messages=HELLO)
    mine = raw_router().chat.completions.with_raw_response.create(**ASKED)

    assert mine.status_code == theirs.status_code
    assert mine.request_id == theirs.request_id == REQUEST_ID
    assert mine.retries_taken == theirs.retries_taken == 0
    assert mine.headers["X-Request-ID"] == theirs.headers["X-Request-ID"]
    assert mine.headers["content-type"] == theirs.headers["content-type"]
    assert mine.parse().to_dict() == theirs.parse().to_dict()
    assert from_json(mine.content) == from_json(theirs.content)
    assert mine.json() == theirs.http_response.json()


def test_headers_say_how_the_answer_came_about() -> None:
    raw = raw_router().chat.completions.with_raw_response.create(**ASKED)

    routing = raw.parse().routing
    assert dict(raw.headers) == {
        "content-type": "application/json",
        "x-request-id": REQUEST_ID,
        "x-trunkline-routing-id": routing.id,
        "x-trunkline-provider": "p",
        "x-trunkline-model": "m",
        "x-trunkline-cost-usd": f"{routing.actual.cost_usd:f}",
        "x-trunkline-attempts": "1",
    }
    assert raw.routing == routing
    assert raw.elapsed.total_seconds() == pytest.approx(routing.actual.latency_s, abs=1e-6)


def test_parse_gives_the_same_answer_each_time() -> None:
    raw = raw_router().chat.completions.with_raw_response.create(**ASKED)

    assert raw.parse() is raw.parse()
    assert isinstance(raw.parse(), ChatCompletion)


def test_headers_are_the_same_in_any_case_and_no_other_way() -> None:
    headers = Headers({"X-One": "1"})

    assert headers["x-one"] == headers["X-ONE"] == headers.get("X-One") == "1"
    assert "x-ONE" in headers
    assert not any(odd in headers for odd in ("x-two", cast("str", 1)))
    assert headers.get("x-two") is None
    assert list(headers) == ["x-one"]
    assert headers == {"x-one": "1"}
    assert repr(headers) == "Headers({'x-one': '1'})"


def test_a_streams_headers_come_before_its_first_chunk_is_read() -> None:
    router = raw_router(stream_of("Hel", "lo"))

    raw = router.chat.completions.with_raw_response.create(**ASKED, stream=True)

    assert raw.headers["content-type"].startswith("text/event-stream")
    assert raw.request_id == REQUEST_ID
    assert raw.retries_taken == 0
    assert "x-trunkline-cost-usd" not in raw.headers
    stream = raw.parse()
    assert isinstance(stream, Stream)
    assert raw.parse() is stream
    assert written(stream) == "Hello"
    assert raw.headers["x-trunkline-routing-id"] == router.usage.records()[0].routing_id
    assert raw.routing.actual.cost_usd > 0


def test_a_stream_has_no_body_to_show() -> None:
    raw = raw_router(stream_of("Hello")).chat.completions.with_raw_response.create(
        **ASKED, stream=True
    )

    for read in (lambda: raw.text, lambda: raw.content, raw.json):
        with pytest.raises(ConfigurationError, match=r"iterate over \.parse"):
            read()
    raw.parse().close()


def test_a_stream_whose_headers_were_all_that_was_wanted_is_warned_about() -> None:
    raw = raw_router(stream_of("Hello")).chat.completions.with_raw_response.create(
        **ASKED, stream=True
    )

    with pytest.warns(ResourceWarning, match="unclosed"):
        raw.__dict__.clear()


def test_retries_are_counted(store_path: str) -> None:
    router, _ = scripted_router(
        store_path,
        Scripted([b'{"error": {"message": "slow down"}}'], 429),
        Scripted([completion()]),
        Scripted([b'{"error": {"message": "slow down"}}'], 429),
        Scripted([stream_of("Hello")]),
    )

    whole = router.chat.completions.with_raw_response.create(**ASKED)
    streamed = router.chat.completions.with_raw_response.create(**ASKED, stream=True)

    assert whole.retries_taken == streamed.retries_taken == 1
    assert whole.headers["x-trunkline-attempts"] == "2"
    assert whole.request_id == whole.parse().routing.id
    streamed.parse().close()


def test_fallbacks_are_counted_as_retries(store_path: str) -> None:
    router = Router(
        providers=[failing("bad"), zoo()], store=store_path, fallbacks=["sim/small"], max_retries=0
    )

    raw = router.chat.completions.with_raw_response.create(model="bad/bad-model", messages=HELLO)

    assert raw.retries_taken == 1
    assert raw.headers["x-trunkline-provider"] == "sim"


def test_an_answer_in_the_callers_type_is_read_when_it_is_asked_for() -> None:
    router = raw_router(completion('{"name": "market"}'))

    raw = router.chat.completions.with_raw_response.parse(**ASKED, response_format=Event)

    assert raw.parse().choices[0].message.parsed == Event(name="market")
    assert raw.json()["choices"][0]["message"] == {
        "role": "assistant",
        "content": '{"name": "market"}',
    }


def test_what_cannot_be_read_still_has_its_headers() -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": "{"}}
    body = completion(choices=[{**choice, "finish_reason": "length"}])

    raw = raw_router(body).chat.completions.with_raw_response.parse(**ASKED, response_format=Event)

    assert raw.request_id == REQUEST_ID
    with pytest.raises(LengthFinishReasonError):
        raw.parse()


def test_vectors_have_headers_too(store_path: str) -> None:
    router = Router(providers=[Inside(lambda _: None)], store=store_path)

    raw = router.embeddings.with_raw_response.create(model="vectors", input=["a", "b"])

    assert isinstance(raw.parse(), CreateEmbeddingResponse)
    assert raw.json()["data"][1]["embedding"] == [0.5, 1.0]
    assert raw.headers["x-trunkline-model"] == "vectors"
    assert repr(raw) == "<RawResponse 200 application/json>"


async def test_an_asynchronous_router_tells_the_same() -> None:
    router = AsyncRouter(providers=[Answering(BODY)], store=":memory:")
    provider = router._engine.providers["p"]
    assert isinstance(provider, Answering)

    whole = await router.chat.completions.with_raw_response.create(model="p/m", messages=HELLO)
    provider.body = completion('{"name": "market"}')
    read = await router.chat.completions.with_raw_response.parse(
        model="p/m", messages=HELLO, response_format=Event
    )
    provider.body = stream_of("Hello")
    streamed = await router.chat.completions.with_raw_response.create(
        model="p/m", messages=HELLO, stream=True
    )

    assert {each.request_id for each in (whole, read, streamed)} == {REQUEST_ID}
    assert whole.parse().choices[0].message.content == "Hello"
    assert read.parse().choices[0].message.parsed == Event(name="market")
    stream = streamed.parse()
    assert isinstance(stream, AsyncStream)
    assert written([chunk async for chunk in stream]) == "Hello"


async def test_an_asynchronous_router_tells_the_same_of_vectors(store_path: str) -> None:
    router = AsyncRouter(providers=[Inside(lambda _: None)], store=store_path)

    raw = await router.embeddings.with_raw_response.create(model="vectors", input="a")

    assert len(raw.parse().data) == 1
    assert isinstance(raw, RawResponse)


def test_feedback_takes_whatever_an_answer_came_in(store_path: str) -> None:
    router = Router(providers=[zoo()], store=store_path)
    chats = router.chat.completions

    with chats.stream(model="small", messages=HELLO) as stream:
        parsed = stream.get_final_completion()
    raw = chats.with_raw_response.create(model="small", messages=HELLO)

    for answer in (stream, parsed, raw):
        router.feedback(answer, score=1)
    with pytest.raises(FeedbackError):
        router.feedback(raw.headers, score=1)


ATTEMPT = Attempt(provider="p", model="m", state="settled", duration_s=1.0, request_id="req-1")


def routing(**fields: Any) -> Routing:
    known: dict[str, Any] = {
        "id": "call-1",
        "provider": "p",
        "model": "m",
        "reason": "named",
        "predicted": Prediction(),
        "actual": Actual(cost_usd=Decimal("0.0000001")),
        "attempts": (ATTEMPT,),
    }
    return Routing(**{**known, **fields})


def test_a_small_cost_is_written_without_an_exponent() -> None:
    assert routing_headers(routing())["x-trunkline-cost-usd"] == "0.0000001"


def test_an_unknown_cost_is_left_out() -> None:
    assert "x-trunkline-cost-usd" not in routing_headers(routing(actual=Actual()))


def test_an_exchange_under_way_is_counted_and_costs_nothing_yet() -> None:
    failed = replace(ATTEMPT, state="voided", error="RateLimitError")

    headers = routing_headers(routing(attempts=(failed,)), request_id="req-2")

    assert headers["x-trunkline-attempts"] == "2"
    assert headers["x-request-id"] == "req-2"
    assert "x-trunkline-cost-usd" not in headers
    assert routing_headers(routing(attempts=(failed,)))["x-request-id"] == "call-1"


@pytest.mark.parametrize("name", ["mödel/ü", "a\r\nx-evil: 1", "模型", "50%"])
def test_names_are_written_in_printable_ascii(name: str) -> None:
    value = routing_headers(routing(model=name))["x-trunkline-model"]

    assert value.isascii()
    assert value.isprintable()


def test_a_router_is_closed_until_its_store_is_asked_again(store_path: str) -> None:
    router = Router(providers=[zoo()], store=store_path)
    view = router.copy(team="a")
    seen = [router.is_closed()]

    router.close()
    seen.append(router.is_closed())
    seen.append(view.is_closed())
    view.chat.completions.create(model="small", messages=HELLO)
    seen.append(router.is_closed())
    with router:
        seen.append(router.is_closed())
    seen.append(view.is_closed())
    router.usage.records()
    seen.append(view.is_closed())

    assert seen == [False, True, True, False, False, True, False]


async def test_an_asynchronous_router_is_closed_likewise(store_path: str) -> None:
    router = AsyncRouter(providers=[zoo()], store=store_path)

    async with router:
        await router.chat.completions.create(model="small", messages=HELLO)
        assert not router.is_closed()

    assert router.is_closed()
    await router.usage.records()
    assert not router.is_closed()
    await router.close()


def test_copy_is_a_view_as_with_options_is(store_path: str) -> None:
    router = Router(providers=[zoo()], store=store_path)

    answer = router.copy(team="a", max_retries=0).chat.completions.create(
        model="small", messages=HELLO
    )

    assert answer.routing.team == "a"


def test_a_routing_in_headers_survives_pickle() -> None:
    raw = raw_router().chat.completions.with_raw_response.create(**ASKED)

    again = pickle.loads(pickle.dumps(raw))  # noqa: S301  # our own bytes

    assert dict(again.headers) == dict(raw.headers)
    assert again.parse() == raw.parse()
