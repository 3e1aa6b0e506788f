"""Streams that end badly, and streams that nobody ends: what is raised, and what is charged."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

import openai
import pytest
from tests.support.faces import HELLO, event

from trunkline.errors import StreamInterruptedError
from trunkline.openai import AsyncOpenAI, OpenAI

if TYPE_CHECKING:
    from tests.openai_clients.conftest import Noted

ASK: dict[str, Any] = {
    "model": "gpt-4o-mini", "messages": HELLO, "max_tokens": 1000, "stream": True
}  # fmt: skip
SSE = {"content-type": "text/event-stream"}
BEGUN = event({"role": "assistant", "content": "once "}) + event("upon ")
SAID = b'data: {"error":{"message":"out of luck","type":"server_error","code":"e1"}}\n\n'


def test_an_error_that_the_provider_says_is_the_sdks_api_error(noted: Noted) -> None:
    noted.answers = {"/chat": (200, SSE, BEGUN + SAID)}
    texts: list[Any] = []

    with pytest.raises(openai.APIError, match="out of luck") as caught:
        texts.extend(OpenAI(api_key="sk-x").chat.completions.create(**ASK))

    assert len(texts) == 2
    assert caught.value.code == "e1"


def test_a_cut_stream_never_ends_in_silence(noted: Noted) -> None:
    noted.answers = {"/chat": (200, SSE, BEGUN)}
    client = OpenAI(api_key="sk-x")

    with pytest.raises(openai.APIConnectionError, match="finish reason") as caught:
        list(client.chat.completions.create(**ASK))

    cause = caught.value.__cause__
    assert isinstance(cause, StreamInterruptedError)
    assert cause.partial is not None
    assert cause.partial.choices[0].message.content == "once upon "
    assert len(client.router.budgets.holds()) == 0


def test_an_error_before_the_first_chunk_comes_from_create(noted: Noted) -> None:
    noted.answers = {"/chat": (200, SSE, SAID)}

    with pytest.raises(openai.InternalServerError, match="out of luck"):
        OpenAI(api_key="sk-x", max_retries=0).chat.completions.create(**ASK)


def test_a_stream_left_early_is_charged_for_what_came(noted: Noted) -> None:
    noted.answers = {"/chat": (200, SSE, BEGUN)}
    client = OpenAI(api_key="sk-x")

    with client.chat.completions.create(**ASK) as stream:
        next(stream)

    (closed,) = client.router.usage.records()
    assert closed.state == "estimated"
    assert len(client.router.budgets.holds()) == 0

    stream = client.chat.completions.create(**ASK)
    next(stream)
    gc.collect()  # whatever holds the call is older than what holds the stream from here on
    cycle: list[Any] = [stream]
    cycle.append(cycle)
    del stream, cycle
    gc.collect()

    dropped, _ = client.router.usage.records()
    assert dropped.cost_usd == closed.cost_usd
    assert len(client.router.budgets.holds()) == 0


def test_a_cancelled_task_settles_its_stream(noted: Noted) -> None:
    noted.answers = {"/chat": (200, SSE, BEGUN)}
    client = AsyncOpenAI(api_key="sk-x")

    async def reader(begun: asyncio.Event) -> None:
        async for _ in await client.chat.completions.create(**ASK):
            begun.set()
            await asyncio.sleep(60)

    async def cancelled() -> int:
        begun = asyncio.Event()
        task = asyncio.create_task(reader(begun))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        del task
        for _ in range(5):  # the loop closes the SDK's generators one by one
            gc.collect()
            await asyncio.sleep(0)
        await client.close()  # works off what a finaliser has left
        return len(await client.router.budgets.holds())

    assert asyncio.run(cancelled()) == 0


@pytest.mark.parametrize("n", [1, 3])
def test_each_finish_reason_is_delivered_in_order(noted: Noted, n: int) -> None:
    ends = b"".join(_choice(i, "text") + _choice(i, None) for i in range(n))
    noted.answers = {"/chat": (200, SSE, ends + b"data: [DONE]\n\n")}

    chunks = list(OpenAI(api_key="sk-x").chat.completions.create(**ASK, n=n))

    seen = [(c.choices[0].index, c.choices[0].finish_reason) for c in chunks]
    assert seen == [(i, why) for i in range(n) for why in (None, "stop")]


def _choice(index: int, text: str | None) -> bytes:
    from pydantic_core import to_json

    delta = {} if text is None else {"role": "assistant", "content": text}
    choice = {"index": index, "delta": delta, "finish_reason": None if text else "stop"}
    body = {
        "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [choice],
    }  # fmt: skip
    return b"data: " + to_json(body) + b"\n\n"


@pytest.mark.parametrize("note", ["caf\u00e9", "\u00ff\u0080"])
def test_a_header_beyond_ascii_fails_no_paid_answer(noted: Noted, note: str) -> None:
    noted.answers = {"/chat": (200, {**SSE, "x-note": note}, BEGUN + _choice(0, None))}
    client = OpenAI(api_key="sk-x")

    with client.chat.completions.create(**ASK) as stream:
        assert stream.response.headers["x-note"].encode("latin-1") == note.encode("latin-1")
        assert len(list(stream)) == 3

    assert len(noted.requests["openai"]) == 1


def test_a_fault_of_ours_is_not_tried_again(noted: Noted, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("prompt of a customer")

    monkeypatch.setattr("trunkline._api.chat.written", broken)

    with pytest.raises(openai.OpenAIError, match="RuntimeError: a fault of trunkline's") as caught:
        OpenAI(api_key="sk-x").chat.completions.create(**{**ASK, "stream": False})

    assert "customer" not in str(caught.value)
    assert len(noted.requests["openai"]) == 1


def test_text_that_comes_with_a_finish_reason_is_not_held_back(noted: Noted) -> None:
    last = event("the end", finish="stop")
    noted.answers = {"/chat": (200, SSE, BEGUN + last + b"data: [DONE]\n\n")}

    chunks = list(OpenAI(api_key="sk-x").chat.completions.create(**ASK))

    seen = [(c.choices[0].delta.content, c.choices[0].finish_reason) for c in chunks]
    assert seen == [("once ", None), ("upon ", None), ("the end", None), (None, "stop")]
    assert "trunkline" in (chunks[-1].model_extra or {})


def test_what_was_held_back_comes_before_a_cut_is_told(noted: Noted) -> None:
    two = _choice(0, "zero") + _choice(1, "one") + event("END", finish="stop")
    noted.answers = {"/chat": (200, SSE, two)}
    seen: list[Any] = []

    stream = OpenAI(api_key="sk-x").chat.completions.create(**ASK, n=2)
    with pytest.raises(openai.APIConnectionError):
        seen.extend(stream)

    said = [(chunk.choices[0].delta.content, chunk.choices[0].finish_reason) for chunk in seen]
    assert said == [("zero", None), ("one", None), ("END", None), (None, "stop")]


def test_an_empty_chunk_after_the_finish_takes_the_routing_along(noted: Noted) -> None:
    after = BEGUN + _choice(0, None) + event({}) + b"data: [DONE]\n\n"
    noted.answers = {"/chat": (200, SSE, after)}

    chunks = list(OpenAI(api_key="sk-x").chat.completions.create(**ASK))

    assert [c.choices[0].finish_reason for c in chunks] == [None, None, "stop", None]
    assert "trunkline" in (chunks[-1].model_extra or {})
