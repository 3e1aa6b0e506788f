"""Streams of chat: iterated, closed early, broken; their shape and their end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai
import pytest
from tests.drop_in.doors import ASK, TEXT, written
from tests.drop_in.replies import DONE, chunk, chunks, error, usage_chunk
from tests.drop_in.wire import framed, streamed

if TYPE_CHECKING:
    from tests.drop_in.doors import Door

BEGUN = (chunk({"role": "assistant", "content": ""}), chunk("Hel"), chunk("lo"))


def _stream(door: Door, **options: Any) -> Any:
    client = door.sync(max_retries=0, **options)
    return client.chat.completions.create(**ASK, stream=True)


@pytest.mark.surface("chat.completions.create, streamed")
def test_a_stream_is_iterated(client: Any) -> None:
    stream = client.chat.completions.create(**ASK, stream=True)

    seen = list(stream)

    assert type(stream) is openai.Stream
    assert {type(part) for part in seen} == {openai.types.chat.ChatCompletionChunk}
    assert written(seen) == TEXT
    assert seen[0].choices[0].delta.role == "assistant"
    assert [part.choices[0].finish_reason for part in seen[-2:]] == [None, "stop"]


async def test_an_async_stream_is_iterated(door: Door) -> None:
    async with door.asynchronous() as client:
        stream = await client.chat.completions.create(**ASK, stream=True)
        seen = [part async for part in stream]

    assert type(stream) is openai.AsyncStream
    assert written(seen) == TEXT


def test_a_stream_is_stepped_by_next(client: Any) -> None:
    stream = client.chat.completions.create(**ASK, stream=True)

    first = next(stream)
    rest = list(stream)

    assert first.choices[0].delta.role == "assistant"
    assert written(rest) == TEXT
    with pytest.raises(StopIteration):
        next(stream)


def test_all_chunks_share_id_model_and_time(client: Any) -> None:
    seen = list(client.chat.completions.create(**ASK, stream=True))

    assert len({(part.id, part.model, part.created) for part in seen}) == 1


def test_a_stream_is_a_context_manager(client: Any) -> None:
    with client.chat.completions.create(**ASK, stream=True) as stream:
        assert written(stream) == TEXT

    assert stream.response.is_closed


def test_a_stream_has_its_response(client: Any) -> None:
    with client.chat.completions.create(**ASK, stream=True) as stream:
        assert stream.response.status_code == 200
        assert stream.response.headers["content-type"].startswith("text/event-stream")
        assert stream.response.headers["x-request-id"] == "req_wire"


def test_a_stream_closed_early_hangs_up(door: Door) -> None:
    door.wire.script(streamed(*BEGUN, then="hang"))
    stream = _stream(door)
    seen = [next(stream), next(stream)]

    stream.close()

    assert written(seen) == "Hel"
    assert stream.response.is_closed
    assert door.wire.wait_for_hang_up()


def test_a_stream_left_early_hangs_up(door: Door) -> None:
    door.wire.script(streamed(*BEGUN, then="hang"))

    with _stream(door) as stream:
        for part in stream:
            if part.choices[0].delta.content:
                break

    assert door.wire.wait_for_hang_up()


async def test_an_async_stream_closed_early_hangs_up(door: Door) -> None:
    door.wire.script(streamed(*BEGUN, then="hang"))

    async with door.asynchronous(max_retries=0) as client:
        async with await client.chat.completions.create(**ASK, stream=True) as stream:
            async for part in stream:
                if part.choices[0].delta.content:
                    break

        assert door.wire.wait_for_hang_up()


def test_a_closed_stream_leaves_the_client_usable(door: Door, client: Any) -> None:
    door.wire.script(streamed(*BEGUN, then="hang"))
    client.chat.completions.create(**ASK, stream=True).close()

    answer = client.chat.completions.create(**ASK)

    assert answer.choices[0].message.content == TEXT


@pytest.mark.surface("include_usage")
def test_usage_comes_last_where_it_was_asked_for(door: Door, client: Any) -> None:
    options = {"include_usage": True}
    seen = list(client.chat.completions.create(**ASK, stream=True, stream_options=options))

    assert seen[-1].choices == []
    assert seen[-1].usage.total_tokens == 5
    assert all(part.usage is None for part in seen[:-1])


def test_usage_does_not_come_unasked(client: Any) -> None:
    seen = list(client.chat.completions.create(**ASK, stream=True))

    assert all(part.usage is None and part.choices for part in seen)


def test_choices_of_a_stream_stay_apart(door: Door, client: Any) -> None:
    def told(index: int, delta: Any, finish: str | None = None) -> Any:
        return chunk(choices=[{"index": index, "delta": delta, "finish_reason": finish}])

    roles = [told(i, {"role": "assistant", "content": ""}) for i in (0, 1)]
    texts = [told(i, {"content": text}) for i, text in ((1, "b"), (0, "a"), (1, "d"), (0, "c"))]
    ends = [told(i, {}, "stop") for i in (1, 0)]
    door.wire.script(streamed(*roles, *texts, *ends, DONE))

    seen = [part.choices[0] for part in client.chat.completions.create(**ASK, n=2, stream=True)]

    said = ["".join(c.delta.content or "" for c in seen if c.index == i) for i in (0, 1)]
    assert said == ["ac", "bd"]
    assert [c.index for c in seen if c.finish_reason == "stop"] == [1, 0]


def test_tool_calls_come_in_pieces(door: Door, client: Any) -> None:
    door.wire.say(None, ("call_1", "weather", '{"city": "Oslo"}'))

    deltas = [
        part.choices[0].delta.tool_calls[0]
        for part in client.chat.completions.create(**ASK, stream=True)
        if part.choices[0].delta.tool_calls
    ]

    assert (deltas[0].id, deltas[0].type, deltas[0].function.name) == (
        "call_1",
        "function",
        "weather",
    )
    assert {delta.index for delta in deltas} == {0}
    assert all(delta.id is None for delta in deltas[1:])
    assert "".join(d.function.arguments or "" for d in deltas) == '{"city": "Oslo"}'


def test_an_error_in_a_stream_is_raised_where_it_stands(door: Door) -> None:
    door.wire.script(streamed(*BEGUN, error("Overloaded.", "server_error", code="overloaded")))
    stream = _stream(door)

    seen, failed = _read(stream)

    assert written(seen) == "Hello"
    assert type(failed) is openai.APIError
    assert failed.message == "Overloaded."
    assert (failed.code, failed.type) == ("overloaded", "server_error")
    assert failed.request.url.path == "/v1/chat/completions"


async def test_an_error_in_an_async_stream_is_the_same(door: Door) -> None:
    door.wire.script(streamed(*BEGUN, error("Overloaded.", "server_error", code="overloaded")))
    seen: list[Any] = []

    async def read(stream: Any) -> None:
        async for part in stream:
            seen.append(part)  # noqa: PERF401 - those before the error are wanted

    async with door.asynchronous(max_retries=0) as client:
        stream = await client.chat.completions.create(**ASK, stream=True)
        with pytest.raises(openai.APIError) as caught:
            await read(stream)

    assert written(seen) == "Hello"
    assert caught.value.code == "overloaded"


def test_comments_and_fields_of_the_protocol_are_read_over(door: Door) -> None:
    first, *rest = chunks(TEXT)
    told = b"retry: 10\nid: 7\n" + framed(first)
    door.wire.script(streamed(b": waking up\n\n", told, *rest))

    assert written(_stream(door)) == TEXT


def test_events_may_be_cut_anywhere(door: Door) -> None:
    events = chunks("na\u00efve 🦜")
    whole = b"".join(framed(event) for event in events)
    door.wire.script(streamed(*[whole[i : i + 7] for i in range(0, len(whole), 7)]))

    assert written(_stream(door)) == "na\u00efve 🦜"


def test_unknown_fields_of_a_chunk_are_kept(door: Door) -> None:
    odd = chunk({"content": "x", "reasoning_content": "because"}, vendor=1)
    door.wire.script(streamed(BEGUN[0], odd, chunk(finish="stop"), DONE))

    seen = list(_stream(door))
    told = next(part for part in seen if part.choices[0].delta.content)

    assert told.choices[0].delta.reasoning_content == "because"
    assert told.vendor == 1


def test_usage_before_the_end_mark_is_read(door: Door, client: Any) -> None:
    door.wire.script(streamed(*BEGUN, chunk(finish="stop"), usage_chunk(), DONE))
    options = {"include_usage": True}

    seen = list(client.chat.completions.create(**ASK, stream=True, stream_options=options))

    assert [part.usage.total_tokens for part in seen if part.usage] == [5]


def _read(stream: Any) -> tuple[list[Any], Any]:
    seen: list[Any] = []
    try:
        for part in stream:
            seen.append(part)  # noqa: PERF402 - those before the error are wanted
    except Exception as failed:  # noqa: BLE001 - which one it is, is what the test is about
        return seen, failed
    return seen, None
