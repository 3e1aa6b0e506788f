"""Ten traps that clients in OpenAI's place usually fall into; each through all doors, and Router's.

Named after the trap. The SDK's two doors are compared with each other elsewhere; here each is held
to what is right.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx
import openai
import pytest
from tests.drop_in.doors import ASK, KEY, TEXT, written
from tests.drop_in.replies import DONE, chunk, chunks, completion, error
from tests.drop_in.wire import Answer, failure, streamed

import trunkline
from trunkline import Router

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.drop_in.doors import Door
    from tests.drop_in.wire import Wire

CALLS = (("call_1", "weather", '{"city": "Oslo"}'), ("call_2", "time", '{"zone": '))
LOST: tuple[type[Exception], ...] = (openai.APIConnectionError, trunkline.APIConnectionError)
if openai.VERSION.startswith("2."):
    LOST += (httpx.TransportError,)  # leaks from streams of that line
USAGE = {"stream_options": {"include_usage": True}}


@pytest.fixture
def router(wire: Wire) -> Iterator[Router]:
    """Our own surface over the same server."""
    with Router(api_key=KEY, base_url=wire.url) as made:
        yield made


@pytest.fixture(params=["genuine", "ours", "Router"])
def ask(request: pytest.FixtureRequest, wire: Wire) -> Any:
    """``chat.completions.create`` of each door in turn, and of our own surface."""
    if request.param == "Router":
        return request.getfixturevalue("router").chat.completions.create
    return request.getfixturevalue("doors")[request.param].sync().chat.completions.create


def _parallel() -> list[Any]:
    """Two calls whose pieces come in turns."""
    deltas: list[Any] = [{"role": "assistant", "content": None}]
    for index, (id_, name, _) in enumerate(CALLS):
        function = {"name": name, "arguments": ""}
        deltas.append(
            {"tool_calls": [{"index": index, "id": id_, "type": "function", "function": function}]}
        )
    for part in (0, 1):
        for index, (_, _, arguments) in enumerate(CALLS):
            piece = arguments[:4] if part == 0 else arguments[4:]
            told = {"index": index, "function": {"arguments": piece}}
            deltas.append({"tool_calls": [told]})
    return [*map(chunk, deltas), chunk(finish="tool_calls"), DONE]


def _deltas(stream: Any) -> list[Any]:
    return [part.choices[0].delta for part in stream if part.choices]


@pytest.mark.surface("trap 1: None is null, omit is absent")
@pytest.mark.surface("trap 1: None is null, omit is absent", door="Router")
def test_trap_01_none_is_sent_as_null_and_omit_is_not_sent(ask: Any, wire: Wire) -> None:
    ask(**ASK, temperature=None, stop=None)

    assert wire.last.json == {**ASK, "temperature": None, "stop": None}


def test_trap_01_the_sdks_own_words_for_not_given_are_not_sent(door: Door) -> None:
    door.sync().chat.completions.create(
        **ASK, temperature=openai.omit, top_p=openai.NOT_GIVEN, seed=None
    )

    assert door.wire.last.json == {**ASK, "seed": None}


@pytest.mark.surface("trap 2: include_usage")
@pytest.mark.surface("trap 2: include_usage", door="Router")
def test_trap_02_include_usage_adds_one_last_chunk_and_only_where_asked(ask: Any) -> None:
    with ask(**ASK, stream=True, **USAGE) as stream:
        asked = list(stream)
    with ask(**ASK, stream=True) as stream:
        unasked = list(stream)

    assert asked[-1].choices == []
    assert [part.usage.total_tokens for part in asked if part.usage] == [5]
    assert all(part.usage is None and part.choices for part in unasked)
    assert len(asked) == len(unasked) + 1


@pytest.mark.surface("trap 3: role on the first chunk")
@pytest.mark.surface("trap 3: role on the first chunk", door="Router")
def test_trap_03_role_is_on_the_first_chunk_and_that_comes_at_once(ask: Any, wire: Wire) -> None:
    wire.script(streamed(*chunks(TEXT)[:3], then="hang"))

    began = time.monotonic()
    with ask(**ASK, stream=True) as stream:
        first, second = next(iter(stream)), next(iter(stream))

    assert time.monotonic() - began < 2.0
    assert first.choices[0].delta.role == "assistant"
    assert second.choices[0].delta.role is None
    assert second.choices[0].delta.content


@pytest.mark.surface("trap 4: tool-call indices")
@pytest.mark.surface("trap 4: tool-call indices", door="Router")
def test_trap_04_each_piece_of_a_tool_call_has_its_index_and_ids_come_once(
    ask: Any, wire: Wire
) -> None:
    wire.script(streamed(*_parallel()))

    with ask(**ASK, stream=True) as stream:
        told = [call for delta in _deltas(stream) for call in delta.tool_calls or ()]

    for index, (id_, name, arguments) in enumerate(CALLS):
        pieces = [call for call in told if call.index == index]
        assert [call.id for call in pieces if call.id is not None] == [id_]
        assert [call.function.name for call in pieces if call.function.name] == [name]
        assert "".join(call.function.arguments or "" for call in pieces) == arguments


def test_trap_04_later_pieces_do_not_say_null_for_what_they_leave_out(door: Door) -> None:
    door.wire.script(streamed(*_parallel()))

    with door.sync().chat.completions.create(**ASK, stream=True) as stream:
        told = [call for delta in _deltas(stream) for call in delta.tool_calls or ()]

    assert [sorted(call.model_fields_set) for call in told[2:]] == [["function", "index"]] * 4
    assert all(set(call.function.model_fields_set) == {"arguments"} for call in told[2:])


@pytest.mark.surface("trap 5: null content with tool calls")
@pytest.mark.surface("trap 5: null content with tool calls", door="Router")
def test_trap_05_content_is_null_beside_tool_calls_and_arguments_stay_raw(
    ask: Any, wire: Wire
) -> None:
    wire.say(None, *CALLS)

    message = ask(**ASK).choices[0].message

    assert message.content is None
    assert "content" in message.model_fields_set
    assert [(c.id, c.function.name, c.function.arguments) for c in message.tool_calls] == [*CALLS]


def test_trap_05_null_content_is_sent_back_as_null(ask: Any, wire: Wire) -> None:
    wire.say(None, *CALLS)
    message = ask(**ASK).choices[0].message
    said = [{"role": "tool", "tool_call_id": id_, "content": "done"} for id_, _, _ in CALLS]

    ask(model=ASK["model"], messages=[*ASK["messages"], message, *said])

    sent = wire.last.json["messages"][1]
    assert sent.get("content", "absent") in (None, "absent")
    assert [call["function"]["arguments"] for call in sent["tool_calls"]] == [
        arguments for _, _, arguments in CALLS
    ]


@pytest.mark.surface("trap 6: refusals")
@pytest.mark.surface("trap 6: refusals", door="Router")
def test_trap_06_a_refusal_is_no_content_and_no_error(ask: Any, wire: Wire) -> None:
    wire.say(refusal="I cannot.")

    choice = ask(**ASK).choices[0]

    assert (choice.message.refusal, choice.message.content) == ("I cannot.", None)
    assert choice.finish_reason == "stop"


def test_trap_06_a_streamed_refusal_comes_in_pieces(ask: Any, wire: Wire) -> None:
    wire.say(refusal="I cannot do that.")

    with ask(**ASK, stream=True) as stream:
        deltas = _deltas(stream)

    assert "".join(delta.refusal or "" for delta in deltas) == "I cannot do that."
    assert not any(delta.content for delta in deltas)


@pytest.mark.surface("trap 7: unknown fields are kept")
@pytest.mark.surface("trap 7: unknown fields are kept", door="Router")
def test_trap_07_unknown_fields_are_kept_in_both_directions(ask: Any, wire: Wire) -> None:
    body = completion("x", vendor={"score": 0.5})
    body["choices"][0]["message"]["annotations_2"] = [1]
    wire.script(Answer(body=body))

    answer = ask(**ASK, extra_body={"top_k": 3, "vendor": {"deep": [None]}})

    assert (wire.last.json["top_k"], wire.last.json["vendor"]) == (3, {"deep": [None]})
    assert answer.vendor == {"score": 0.5}
    assert answer.choices[0].message.annotations_2 == [1]
    assert answer.model_dump()["vendor"] == {"score": 0.5}


def test_trap_07_unknown_fields_of_a_chunk_are_kept(ask: Any, wire: Wire) -> None:
    odd = chunk({"content": "x", "mood": "good"}, vendor=1)
    wire.script(streamed(chunk({"role": "assistant"}), odd, chunk(finish="stop"), DONE))

    with ask(**ASK, stream=True) as stream:
        told = next(part for part in stream if part.choices[0].delta.content)

    assert (told.vendor, told.choices[0].delta.mood) == (1, "good")


@pytest.mark.surface("trap 8: retry headers")
@pytest.mark.surface("trap 8: retry headers", door="Router")
def test_trap_08_retry_headers_are_obeyed(ask: Any, wire: Wire) -> None:
    wire.script(
        Answer(429, error(), {"retry-after-ms": "100", "retry-after": "60"}),
        failure(429, x_should_retry="false"),
    )

    began = time.monotonic()
    with pytest.raises((openai.RateLimitError, trunkline.RateLimitError)):
        ask(**ASK)

    assert 0.1 <= time.monotonic() - began < 2.0
    assert len(wire.requests) == 2


def test_trap_08_retry_headers_are_passed_on(door: Door) -> None:
    told = {"retry-after": "7", "x-should-retry": "false", "x-ratelimit-reset-requests": "7s"}
    door.wire.script(Answer(429, error(), told))

    with pytest.raises(openai.RateLimitError) as caught:
        door.sync().chat.completions.create(**ASK)

    assert {name: caught.value.response.headers.get(name) for name in told} == told


@pytest.mark.surface("trap 9: request ids")
def test_trap_09_the_providers_request_id_is_on_answers_streams_and_errors(door: Door) -> None:
    create = door.sync(max_retries=0).chat.completions.create
    door.wire.script(Answer(body=completion("x"), headers={"x-request-id": "req_a"}))
    door.wire.script(Answer(events=chunks(TEXT), headers={"x-request-id": "req_b"}))
    door.wire.script(failure(500, x_request_id="req_c"))

    answer = create(**ASK)
    with create(**ASK, stream=True) as stream:
        list(stream)
    with pytest.raises(openai.APIStatusError) as caught:
        create(**ASK)

    assert answer._request_id == "req_a"
    assert stream.response.headers["x-request-id"] == "req_b"
    assert caught.value.request_id == "req_c"


@pytest.mark.surface("trap 9: request ids", door="Router")
def test_trap_09_the_routers_answers_and_errors_have_both_ids(router: Router, wire: Wire) -> None:
    wire.script(Answer(body=completion("x"), headers={"x-request-id": "req_a"}))
    wire.script(failure(400, x_request_id="req_c"))
    create: Any = router.chat.completions.create

    answer = create(**ASK)
    with pytest.raises(trunkline.BadRequestError) as caught:
        create(**ASK)

    assert answer.routing.attempts[-1].request_id == "req_a"
    assert caught.value.request_id == "req_c"
    assert answer.routing.id != caught.value.routing_id


@pytest.mark.surface("trap 10: when a stream's error is raised")
@pytest.mark.surface("trap 10: when a stream's error is raised", door="Router")
def test_trap_10_a_failure_before_the_stream_is_raised_by_create(ask: Any, wire: Wire) -> None:
    wire.script(failure(400))

    with pytest.raises((openai.BadRequestError, trunkline.BadRequestError)):
        ask(**ASK, stream=True)


def test_trap_10_a_failure_after_the_first_chunk_is_raised_where_it_came(
    ask: Any, wire: Wire
) -> None:
    begun = chunks(TEXT)[:3]
    wire.script(streamed(*begun, error("Overloaded.", "server_error")))
    seen: list[Any] = []

    with ask(**ASK, stream=True) as stream:
        failed = _drain(stream, seen)

    assert isinstance(failed, openai.APIError | trunkline.APIError)
    assert "Overloaded." in str(failed)
    assert written(seen) == written_by(begun)
    assert len(wire.requests) == 1, "what was delivered is never asked for again"


def test_trap_10_a_connection_that_is_lost_is_raised_where_it_was(ask: Any, wire: Wire) -> None:
    begun = chunks(TEXT)[:3]
    wire.script(streamed(*begun, then="cut"))
    seen: list[Any] = []

    with ask(**ASK, stream=True) as stream:
        failed = _drain(stream, seen)

    assert isinstance(failed, LOST)
    assert written(seen) == written_by(begun)
    assert len(wire.requests) == 1


def written_by(events: list[Any]) -> str:
    """Return the text that events of the wire spell."""
    deltas = [event["choices"][0]["delta"] for event in events]
    return "".join(delta.get("content") or "" for delta in deltas)


def _drain(stream: Any, seen: list[Any]) -> Exception | None:
    try:
        for part in stream:
            seen.append(part)  # noqa: PERF402 - those before the error are wanted
    except Exception as failed:  # noqa: BLE001 - which one it is, is what the test is about
        return failed
    return None
