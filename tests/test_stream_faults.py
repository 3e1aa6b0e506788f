"""The rows S1-S8 of the failure model, as the reader of a stream meets them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.faces import (
    DONE,
    USAGE,
    Scripted,
    ask,
    drain,
    event,
    scripted_router,
    sound,
    spent,
    stream_of,
    written,
)

from trunkline import APIConnectionError, APITimeoutError, StreamInterruptedError, _streams
from trunkline._streams import LINGER_S

if TYPE_CHECKING:
    from trunkline._router import Router

TEXTS = ("Grüße ", "an ", "die 😀 ", "Welt")
PLAIN = stream_of(*TEXTS)
BEGUN = event({"role": "assistant", "content": ""}) + event("Hello")


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[i : i + size] for i in range(0, len(data), size)]


def read(router: Router, **params: Any) -> tuple[str, Any]:
    with ask(router, "p/m", stream=True, **params) as stream:
        chunks = list(stream)
    return written(chunks), stream


@pytest.mark.parametrize(
    "body",
    [
        PLAIN,
        PLAIN.replace(b"\n", b"\r\n"),
        PLAIN.replace(b"\n", b"\r"),
        PLAIN.replace(b"data: ", b"data:"),
        b"\xef\xbb\xbf" + PLAIN,
        PLAIN.replace(b"data: ", b": comment\n\nevent: message\nid: 5\nretry: 3\ndata: "),
        PLAIN.replace(b', "choices"', b',\ndata: "choices"').replace(
            b',"choices"', b',\ndata: "choices"'
        ),
    ],
    ids=["lf", "crlf", "cr", "no-space", "bom", "comments", "multi-line"],
)
@pytest.mark.parametrize("size", [1, 3, 10_000])
def test_S1_every_framing_gives_the_same_text(store_path: str, body: bytes, size: int) -> None:
    router, _ = scripted_router(store_path, Scripted(cut(body, size)))

    text, stream = read(router)

    assert text == "".join(TEXTS)
    assert not stream.routing.estimated


def test_S2_a_finish_reason_without_an_end_mark_is_complete(store_path: str) -> None:
    router, _ = scripted_router(store_path, Scripted([PLAIN.replace(DONE, b"")]))

    text, stream = read(router)

    assert text == "".join(TEXTS)
    assert stream.routing.actual.finish_reason == "stop"


@pytest.mark.parametrize(
    "ending",
    [
        [],
        [DONE],
        [APIConnectionError("reset")],
        [b'data: {"error": {"message": "boom"}}\n\n'],
        [b"data: nonsense\n\n"],
        [b"data: [1, 2]\n\n"],
        [b'data: "text"\n\n'],
        [b'data: {"id": "c", "choi'],
    ],
    ids=["end", "done", "reset", "error", "no-json", "list", "text", "cut"],
)
def test_S3_no_end_is_silent(store_path: str, ending: list[Any]) -> None:
    router, io = scripted_router(store_path, Scripted([BEGUN, *ending]))
    seen: list[Any] = []

    stream = ask(router, "p/m", stream=True)
    with pytest.raises(StreamInterruptedError) as caught:
        drain(stream, seen)

    assert written(seen) == "Hello"
    assert caught.value.partial is not None
    assert caught.value.partial.choices[0].message.content == "Hello"
    assert len(io.requests) == 1
    sound(router)


@pytest.mark.parametrize(
    "first",
    [
        Scripted([]),
        Scripted([event({"role": "assistant", "content": ""})]),
        Scripted([event({"role": "assistant"}), APIConnectionError("reset")]),
        Scripted([b'data: {"error": {"message": "busy", "type": "server_error"}}\n\n']),
        Scripted([b"{}"], 503),
    ],
    ids=["empty", "role", "reset", "error", "status"],
)
def test_S4_what_fails_before_the_first_words_is_tried_again(
    store_path: str, first: Scripted
) -> None:
    router, io = scripted_router(store_path, first, Scripted([PLAIN]))

    text, stream = read(router)

    assert text == "".join(TEXTS)
    assert len(io.requests) == 2
    assert [a.error is None for a in stream.routing.attempts] == [False, True]
    sound(router)


def test_S4_another_deployment_takes_over_unseen(store_path: str) -> None:
    router, io = scripted_router(
        store_path,
        Scripted([event({"role": "assistant"})]),
        Scripted([PLAIN]),
        max_retries=0,
        fallbacks=["p/other"],
    )

    text, stream = read(router)

    assert text == "".join(TEXTS)
    assert stream.routing.model == "other"
    assert len(io.requests) == 2
    sound(router)


def test_S5_what_was_seen_is_not_asked_for_again(store_path: str) -> None:
    router, io = scripted_router(
        store_path, Scripted([BEGUN, APIConnectionError("reset")]), fallbacks=["p/other"]
    )

    with pytest.raises(StreamInterruptedError):
        read(router)

    assert len(io.requests) == 1


def test_S6_a_stall_before_the_first_words_may_be_tried_again(store_path: str) -> None:
    router, io = scripted_router(
        store_path, Scripted([APITimeoutError("stalled")]), Scripted([PLAIN])
    )

    assert read(router)[0] == "".join(TEXTS)
    assert io.sources[0].idles == [600]


PING = b": ping\n\n"


def test_S6_a_heartbeat_does_not_keep_a_stream_open(store_path: str) -> None:
    router, io = scripted_router(store_path, Scripted([BEGUN, *[20.0, PING] * 50]))
    seen: list[Any] = []

    stream = ask(router, "p/m", stream=True)
    with pytest.raises(APITimeoutError, match="no event came within 60 s") as caught:
        drain(stream, seen)

    assert io.sources[0].idles == [600, 60, 40, 20]
    assert io.sources[0].ended == "aborted"
    assert written(seen) == "Hello"
    assert caught.value.partial is not None
    sound(router)


def test_S6_a_heartbeat_or_a_role_is_no_first_content(store_path: str) -> None:
    pieces = [event({"role": "assistant"}), *[20.0, PING, 5.0, event({"content": ""})] * 50]
    router, io = scripted_router(store_path, Scripted(pieces, takes_s=2.0), max_retries=0)

    with pytest.raises(APITimeoutError, match="no event came within 50 s"):
        ask(router, "p/m", stream=True, timeout=50)

    assert io.sources[0].idles == [48, 48, 28, 23, 3]
    sound(router)


def test_S6_each_event_begins_the_wait_anew_and_the_readers_own_time_is_none(
    store_path: str,
) -> None:
    slow = [40.0, PING, 10.0, event("a")] * 3
    router, io = scripted_router(store_path, Scripted([BEGUN, *slow, event(finish="stop") + DONE]))
    text = ""

    with ask(router, "p/m", stream=True) as stream:
        for chunk in stream:
            text += written([chunk])
            io.clock += 1000

    assert text == "Helloaaa"
    assert io.sources[0].idles[1:] == [60, 20] * 3 + [60, LINGER_S]


def test_S6_a_heartbeat_does_not_hold_up_who_closes_after_the_answer(store_path: str) -> None:
    ended = [BEGUN + event(finish="stop"), *[0.04, PING] * 1000]
    router, io = scripted_router(store_path, Scripted(ended))
    with ask(router, "p/m", stream=True) as stream:
        while next(stream).choices[0].finish_reason is None:
            pass
        io.clock += 1000

    assert io.sources[0].idles[1:] == pytest.approx([0.05, 0.01])
    assert io.sources[0].ended == "closed"
    sound(router)


def test_S7_what_surrounds_a_tiny_answer_is_no_overrun(store_path: str) -> None:
    around = event({"content": ""}) + event()
    body = event() + event({"role": "assistant", "content": ""}) + event("yes") + around * 100
    router, _ = scripted_router(
        store_path, Scripted([body + event(finish="length") + around * 100 + event(usage=USAGE)])
    )

    text, stream = read(router, max_tokens=1)

    assert text == "yes"
    assert not stream.routing.estimated


def test_S7_an_answer_that_is_whole_is_never_stopped(store_path: str) -> None:
    body = event("x" * 1500) + event(finish="length")
    router, _ = scripted_router(store_path, Scripted([body + event(usage=USAGE) + DONE]))

    text, stream = read(router, max_tokens=1)

    assert len(text) == 1500
    assert not stream.routing.estimated


@pytest.mark.parametrize("finish", [None, "stop"])
def test_S7_endless_events_without_content_are_stopped(
    store_path: str, finish: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_streams, "MOST_EMPTY_CHUNKS", 50)
    begun = BEGUN + (event(finish=finish) if finish else b"")
    router, io = scripted_router(store_path, Scripted([begun, *[event()] * 1000]))

    with (
        contextlib.nullcontext() if finish else pytest.raises(StreamInterruptedError, match="stop")
    ):
        read(router, max_tokens=1)

    assert len(io.sources[0].idles) <= 4 + 64 + 50
    sound(router)


def test_S7_an_endless_stream_is_stopped_and_charged(store_path: str) -> None:
    router, io = scripted_router(store_path, Scripted([event("x")] * 1000))
    router.budgets.set("all", "1")

    with pytest.raises(StreamInterruptedError, match="stopped"):
        read(router, max_tokens=20)

    assert io.sources[0].ended == "aborted"
    assert len(io.sources[0].idles) <= 4 * 20 + 64 + 2
    assert spent(router) > 0
    sound(router)


@pytest.mark.parametrize("asked", [False, True])
def test_S8_usage_is_always_asked_for_and_shown_when_wanted(store_path: str, asked: bool) -> None:
    router, io = scripted_router(store_path, Scripted([PLAIN]))
    options = {"stream_options": {"include_usage": True}} if asked else {}

    with ask(router, "p/m", stream=True, **options) as stream:
        chunks = list(stream)

    assert b'"include_usage":true' in io.requests[0].body
    assert [c.usage is not None for c in chunks if not c.choices] == ([True] if asked else [])
    assert stream.routing.actual.prompt_tokens == 10


def test_S8_of_several_usages_the_last_counts_never_their_sum(store_path: str) -> None:
    growing = [
        event("a", usage={**USAGE, "completion_tokens": 1}),
        event("b", usage={**USAGE, "completion_tokens": 2}),
        event(finish="stop", usage={**USAGE, "completion_tokens": 3}),
    ]
    router, _ = scripted_router(store_path, Scripted([b"".join(growing) + DONE]))
    router.budgets.set("all", "1")

    read(router)

    assert spent(router) == 10 * 1000 + 3 * 2000


@pytest.mark.parametrize("usage", [None, {"prompt_tokens": "many"}, {**USAGE, "prompt_tokens": -1}])
def test_S8_without_believable_usage_the_charge_is_an_estimate(store_path: str, usage: Any) -> None:
    router, _ = scripted_router(store_path, Scripted([stream_of("a", "b", usage=usage)]))
    router.budgets.set("all", "1")

    _, stream = read(router, max_tokens=50)

    assert stream.routing.estimated
    assert 0 < spent(router) <= stream.routing.hold * 10**9
    sound(router)
