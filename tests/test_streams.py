from __future__ import annotations

import gc
import os
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from openai.types.chat import ChatCompletionChunk as TheirChunk
from pydantic_core import to_json
from tests.support.faces import (
    DONE,
    PRICES,
    USAGE,
    Scripted,
    ask,
    drain,
    event,
    scripted_router,
    sound,
    spent,
    stream_of,
    wired,
    written,
    zoo_router,
)

from trunkline import (
    APIConnectionError,
    APIResponseValidationError,
    APITimeoutError,
    InternalServerError,
    Model,
    StorageError,
    Stream,
    StreamInterruptedError,
    TrunklineError,
)
from trunkline._holds import OPEN_ENDED_LEASE_S
from trunkline._streams import IDLE_AFTER_CONTENT_S, LINGER_S

if TYPE_CHECKING:
    from trunkline._router import Router

BEGUN = event({"role": "assistant", "content": ""}) + event("Hel") + event("lo")


def streamed(store: str, *pieces: Any, **options: Any) -> tuple[Router, Any, Stream]:
    router, io = scripted_router(store, Scripted(pieces), **options)
    router.budgets.set("all", "1")
    return router, io, ask(router, "p/m", stream=True)


def test_chunks_come_as_the_sdks_and_end_settled(store_path: str) -> None:
    router, io, stream = streamed(store_path, stream_of("Hel", "lo"))

    chunks = list(stream)

    assert written(chunks) == "Hello"
    for chunk in chunks:
        TheirChunk.model_validate(chunk.model_dump())
    assert all(chunk.choices for chunk in chunks)
    assert not stream.routing.estimated
    assert stream.routing.actual.cost_usd == Decimal("0.00002")
    assert stream.routing.actual.finish_reason == "stop"
    assert stream.routing.actual.completion_tokens == 5
    assert spent(router) == 20_000
    assert io.sources[0].ended == "closed"
    assert repr(stream) == "<Stream p/m closed>"
    sound(router)
    assert next(stream, None) is None


def test_the_response_is_the_joined_answer_with_its_routing(store_path: str) -> None:
    _, _, stream = streamed(store_path, stream_of("Hel", "lo"))

    assert repr(stream) == "<Stream p/m open>"
    list(stream)

    assert stream.response is not None
    assert stream.response.choices[0].message.content == "Hello"
    assert stream.response.usage is not None
    assert stream.response.usage.model_dump(exclude_none=True) == USAGE
    assert stream.response.routing == stream.routing


def test_routing_of_an_open_stream_is_what_is_known(store_path: str) -> None:
    router, _, stream = streamed(store_path, BEGUN, event(finish="stop") + DONE)

    early = stream.routing
    list(stream)

    assert early.id == stream.routing.id
    assert early.actual.finish_reason is None
    assert early.attempts == ()
    assert len(stream.routing.attempts) == 1
    sound(router)


def test_a_stream_closed_early_is_charged_as_received(store_path: str) -> None:
    thinks_aloud = Model("m", max_output=1000, supports=["tools"], **PRICES)
    router, io, stream = streamed(
        store_path, BEGUN, event("never"), providers=[wired(models=[thinks_aloud])]
    )

    with stream:
        assert next(stream).choices
    stream.close()

    assert stream.routing.estimated
    assert 0 < spent(router) < stream.routing.hold * 10**9
    assert io.sources[0].ended == "aborted"
    assert list(stream) == []
    sound(router)


def test_M6_what_a_model_may_have_thought_unseen_keeps_the_whole_hold(store_path: str) -> None:
    router, _, stream = streamed(store_path, BEGUN, event("never"))

    stream.close()

    assert stream.routing.estimated
    assert stream.routing.actual.cost_usd == stream.routing.hold
    sound(router)


def test_M6_an_error_after_the_answer_began_is_charged_and_retried_with_room(
    store_path: str,
) -> None:
    role = event({"role": "assistant", "content": ""})
    error = b'data: {"error": {"message": "overloaded", "type": "server_error"}}\n\n'
    router, io = scripted_router(store_path, Scripted([role + error]), Scripted([stream_of("Hi")]))
    router.budgets.set("all", "1")

    stream = ask(router, "p/m", stream=True)
    assert written(stream) == "Hi"

    assert [a.state for a in stream.routing.attempts] == ["estimated", "settled"]
    assert len(io.requests) == 2
    sound(router)


def test_M6_an_error_in_place_of_the_answer_is_a_refusal(store_path: str) -> None:
    error = b'data: {"error": {"message": "overloaded", "type": "server_error"}}\n\n'
    router, _ = scripted_router(store_path, Scripted([error]), Scripted([stream_of("Hi")]))
    router.budgets.set("all", "1")

    stream = ask(router, "p/m", stream=True)
    list(stream)

    assert [a.state for a in stream.routing.attempts] == ["voided", "settled"]
    sound(router)


def test_a_stream_that_breaks_delivers_then_raises_with_the_partial_text(store_path: str) -> None:
    router, _, stream = streamed(store_path, BEGUN)
    seen: list[Any] = []

    with pytest.raises(StreamInterruptedError) as caught:
        drain(stream, seen)

    error = caught.value
    assert written(seen) == "Hello"
    assert error.partial is not None
    assert error.partial.choices[0].message.content == "Hello"
    assert error.partial.routing.estimated
    assert (error.provider, error.model, error.routing_id) == ("p", "m", stream.routing.id)
    assert [(a.state, a.error) for a in error.attempts] == [("estimated", "StreamInterruptedError")]
    assert list(stream) == []
    sound(router)


def test_an_error_event_after_text_is_inside_the_interruption(store_path: str) -> None:
    broken = b'data: {"error": {"message": "overloaded", "type": "server_error"}}\n\n'
    _, _, stream = streamed(store_path, BEGUN + broken)

    with pytest.raises(StreamInterruptedError, match="overloaded") as caught:
        list(stream)

    assert isinstance(caught.value.error, InternalServerError)


def test_a_failing_connection_after_text_is_an_interruption(store_path: str) -> None:
    router, io, stream = streamed(store_path, BEGUN, APIConnectionError("reset"))

    with pytest.raises(StreamInterruptedError, match="reset") as caught:
        list(stream)

    assert len(io.requests) == 1
    assert isinstance(caught.value.error, APIConnectionError)
    sound(router)


def test_a_stall_after_text_is_a_timeout_with_the_partial_text(store_path: str) -> None:
    router, io, stream = streamed(store_path, BEGUN, APITimeoutError("stalled"))

    with pytest.raises(APITimeoutError) as caught:
        list(stream)

    assert caught.value.partial is not None
    assert io.sources[0].idles[0] == 600
    assert io.sources[0].idles[-1] == IDLE_AFTER_CONTENT_S
    sound(router)


def test_the_idle_limit_is_never_above_the_timeout(store_path: str) -> None:
    for timeout, idle in ((5, 5), (None, IDLE_AFTER_CONTENT_S)):
        _, io, stream = streamed(store_path, BEGUN, event(finish="stop") + DONE, timeout=timeout)
        list(stream)

        assert io.sources[0].idles[:2] == [timeout, idle]


def test_a_stream_without_any_content_is_no_success(store_path: str) -> None:
    router, io = scripted_router(store_path, *[Scripted([DONE])] * 3)

    with pytest.raises((StreamInterruptedError, APIResponseValidationError)) as caught:
        ask(router, "p/m", stream=True)

    assert caught.value.attempts
    assert io.sources[0].ended
    sound(router)


def test_a_provider_that_sends_far_more_than_asked_is_stopped(store_path: str) -> None:
    router, io, stream = streamed(store_path, event("x") * 5000)
    stream.close()
    router, io = scripted_router(store_path, Scripted([event("x") * 200]))

    with pytest.raises(StreamInterruptedError, match="stopped"):
        list(ask(router, "p/m", stream=True, max_tokens=10))

    assert io.sources[0].ended == "aborted"
    sound(router)


def test_a_dropped_stream_warns_and_is_settled_by_the_next_call(store_path: str) -> None:
    router, io, stream = streamed(store_path, BEGUN, event("never"))

    with pytest.warns(ResourceWarning, match="unclosed <Stream p/m"):
        del stream
    gc.collect()

    assert io.sources[0].ended == "aborted"
    router.budgets.set("user:x", 1)
    assert spent(router) > 0
    sound(router)


def test_a_fork_leaves_the_parents_stream_alone(
    store_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    router, io, stream = streamed(store_path, BEGUN, event(finish="stop") + DONE)
    core = stream._core

    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: -1)
        core.abandon()
    assert io.sources[0].ended == ""

    assert written(stream) == "Hello"
    sound(router)


def test_a_long_stream_lengthens_its_lease_half_way(store_path: str) -> None:
    half = OPEN_ENDED_LEASE_S / 2
    router, _, stream = streamed(store_path, BEGUN, 1.0, event("a"), half, event("b"), event("c"))
    next(stream), next(stream), next(stream)
    before = router.budgets.holds()[0].expires_at

    next(stream)
    assert router.budgets.holds()[0].expires_at == before
    next(stream)
    next(stream)

    assert router.budgets.holds()[0].expires_at == pytest.approx(before + half + 1)
    stream.close()


def test_a_lease_that_cannot_be_lengthened_does_not_break_the_stream(
    store_path: str, caplog: pytest.LogCaptureFixture
) -> None:
    import sqlite3

    half = OPEN_ENDED_LEASE_S / 2
    router, _, stream = streamed(store_path, BEGUN, half, event("!"), event(finish="stop") + DONE)
    for _ in range(4):
        next(stream)
    other = sqlite3.connect(store_path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    next(stream)
    other.execute("ROLLBACK")
    other.close()
    list(stream)

    assert "renewing a lease" in caplog.text
    assert stream.response is not None
    assert stream.response.choices[0].message.content == "Hello!"
    sound(router)


def test_a_stream_whose_end_cannot_be_written_still_ends(
    store_path: str, caplog: pytest.LogCaptureFixture
) -> None:
    import sqlite3

    router, _, stream = streamed(
        store_path, BEGUN, event(finish="stop") + event(usage=USAGE) + DONE
    )
    other = sqlite3.connect(store_path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    assert written(stream) == "Hello"
    other.execute("ROLLBACK")
    other.close()

    assert "settling a call" in caplog.text
    router.budgets.set("user:x", 1)
    assert spent(router) == 20_000
    sound(router)


def test_an_interrupt_while_reading_settles_and_goes_on_up(store_path: str) -> None:
    router, io, stream = streamed(store_path, BEGUN, KeyboardInterrupt())

    with pytest.raises(KeyboardInterrupt):
        list(stream)

    assert stream.routing.estimated
    assert io.sources[0].ended == "aborted"
    sound(router)


def test_an_interrupt_while_closing_settles_all_the_same(store_path: str) -> None:
    router, io, stream = streamed(store_path, BEGUN, event("never"))

    async def interrupted(fn: Any) -> Any:
        io.call = original
        raise KeyboardInterrupt

    original, io.call = io.call, interrupted
    with pytest.raises(KeyboardInterrupt):
        stream.close()

    sound(router)


def test_tool_calls_and_reasoning_are_joined_and_counted(store_path: str) -> None:
    call = {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}}
    pieces = [
        event({"role": "assistant", "reasoning_content": "hm"}),
        event({"tool_calls": [call]}),
        event({"tool_calls": [{"index": 0, "function": {"arguments": '{"a": 1}'}}]}),
        event(finish="tool_calls"),
    ]
    router, _, stream = streamed(store_path, b"".join(pieces) + DONE)

    list(stream)

    assert stream.response is not None
    message = stream.response.choices[0].message
    assert message.reasoning_content == "hm"
    assert message.tool_calls is not None
    assert message.tool_calls[0].function is not None
    assert message.tool_calls[0].function.arguments == '{"a": 1}'
    assert stream.routing.estimated
    assert spent(router) > 10 * 2000
    sound(router)


@pytest.mark.parametrize(
    "delta",
    [{"content": "a"}, {"refusal": "no"}, {"reasoning_content": "hm"},
     {"function_call": {"name": "f", "arguments": ""}}],
)  # fmt: skip
def test_whatever_a_reader_would_see_starts_the_stream(
    store_path: str, delta: dict[str, Any]
) -> None:
    router, io, stream = streamed(store_path, event({"role": "assistant"}), event(delta), BEGUN)

    assert len(io.sources[0].idles) == 2
    stream.close()
    sound(router)


def test_simulated_seconds_count_in_the_times_of_a_stream(store_path: str) -> None:
    router = zoo_router(store_path)

    with ask(router, "small", stream=True) as stream:
        list(stream)

    assert stream.routing.actual.first_chunk_s == pytest.approx(0.25, abs=0.2)
    assert stream.routing.actual.latency_s == pytest.approx(1.0, abs=0.2)


def test_the_readers_own_time_is_not_the_latency_of_what_waited_for_it(store_path: str) -> None:
    _, io, stream = streamed(store_path, 1.5, BEGUN, event("!"), event(finish="stop") + DONE)

    for _ in stream:
        io.clock += 100

    assert stream.routing.actual.latency_s == stream.routing.actual.first_chunk_s == 1.5


def test_the_latency_of_what_the_reader_waited_for_is_the_time_since_the_request(
    store_path: str,
) -> None:
    _, io, stream = streamed(store_path, 1.5, BEGUN, 2.0, event("!"), 0.5, APITimeoutError("late"))
    for _ in range(3):
        next(stream)
    io.clock += 10

    next(stream)
    io.clock += 100
    assert stream.routing.actual.latency_s == 1.5 + 10 + 2
    with pytest.raises(APITimeoutError):
        next(stream)

    io.clock += 100
    assert stream.routing.actual.latency_s == 1.5 + 10 + 2 + 100 + 0.5


@pytest.mark.parametrize("how", ["break", "timeout", "overrun", "interrupt"])
def test_an_error_after_the_first_chunk_is_an_event_once(store_path: str, how: str) -> None:
    piece: Any = {
        "break": b"",
        "timeout": APITimeoutError("stalled"),
        "overrun": event("x") * 5000,
        "interrupt": KeyboardInterrupt(),
    }[how]
    router, _, stream = streamed(store_path, BEGUN, piece)
    heard: list[Any] = []
    router.on("error", heard.append)

    with pytest.raises((TrunklineError, KeyboardInterrupt)) as caught, stream:
        list(stream)
    stream.close()

    assert heard == ([] if how == "interrupt" else [caught.value])
    for error in heard:
        assert error.routing_id == stream.routing.id
        assert error.partial is not None


def test_a_refused_stream_is_refused_like_a_call(tmp_path: Any) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    router, io = scripted_router(blocked / "s.sqlite3")

    with pytest.raises(StorageError):
        ask(router, "p/m", stream=True)

    assert io.requests == []


@pytest.mark.parametrize("then", [APIConnectionError("reset"), APITimeoutError("stalled")])
def test_what_breaks_after_the_whole_answer_is_no_loss(store_path: str, then: Exception) -> None:
    for ending in ([event(finish="stop") + event(usage=USAGE)], [event(finish="stop") + DONE]):
        router, io, stream = streamed(store_path, BEGUN, *ending, then)

        assert written(stream) == "Hello"

        assert io.sources[0].ended
        assert stream.routing.attempts[-1].error is None
        sound(router)


def test_a_task_dropped_while_it_reads_leaves_the_end_to_the_next_call(store_path: str) -> None:
    router, io, stream = streamed(store_path, BEGUN, GeneratorExit())

    with pytest.raises(GeneratorExit):
        list(stream)
    router.budgets.set("user:x", 1)

    assert io.sources[0].ended == "aborted"
    assert spent(router) > 0
    sound(router)


def test_the_response_of_an_open_stream_is_what_came_so_far(store_path: str) -> None:
    _, _, stream = streamed(store_path, BEGUN, event(finish="stop") + DONE)
    next(stream)

    early = stream.response
    stream.close()
    before = len(stream.routing.attempts)
    stream._core.hold.end_later(stream._core.reading.outcome(None))

    assert early is not None
    assert early.choices[0].message.content == "Hello"
    with pytest.raises(AttributeError, match="routing"):
        early.routing  # noqa: B018
    assert len(stream.routing.attempts) == before == 1


def test_closing_after_the_finish_still_takes_the_usage_that_is_at_hand(store_path: str) -> None:
    usage = (
        b"data: "
        + to_json(
            {
                "id": "c",
                "created": 1,
                "model": "m",
                "object": "chat.completion.chunk",
                "choices": [],
                "usage": USAGE,
            }
        )
        + b"\n\n"
    )
    router, io, stream = streamed(store_path, BEGUN + event(finish="stop"), usage, DONE)
    while next(stream).choices[0].finish_reason is None:
        pass

    stream.close()

    assert not stream.routing.estimated
    assert spent(router) == 20_000
    assert io.sources[0].ended == "closed"
    sound(router)


def test_closing_after_the_finish_does_not_wait_for_usage_that_fails_to_come(
    store_path: str,
) -> None:
    router, io, stream = streamed(
        store_path, BEGUN + event(finish="stop"), APITimeoutError("stalled")
    )
    while next(stream).choices[0].finish_reason is None:
        pass

    stream.close()

    assert stream.routing.estimated
    assert io.sources[0].idles[-1] == LINGER_S
    sound(router)


def test_few_chunks_of_far_too_much_text_are_stopped_too(store_path: str) -> None:
    router, _ = scripted_router(store_path, Scripted([event("x" * 2000) * 3]))

    with pytest.raises(StreamInterruptedError, match="stopped"):
        list(ask(router, "p/m", stream=True, max_tokens=10))

    sound(router)


def test_a_fork_that_leaves_a_with_block_leaves_the_parents_stream_alone(
    store_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    router, io, stream = streamed(store_path, BEGUN, event(finish="stop") + DONE)

    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: -1)
        stream.close()

    assert io.sources[0].ended == ""
    assert not stream._core.is_closed
    list(stream)
    sound(router)
