"""Closing, many calls at once, and classes that other libraries patch."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import openai
import pytest
import trio
from openai.resources.chat import completions as chat
from tests.drop_in.doors import ASK, MODEL, TEXT, written
from tests.drop_in.wire import Answer

if TYPE_CHECKING:
    from tests.drop_in.doors import Door

THREADS = 20
TASKS = 50


def _ask(text: str) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": text}]}


@pytest.mark.surface("close, is_closed")
def test_a_client_says_whether_it_is_closed(door: Door) -> None:
    client = door.sync()

    before = client.is_closed()
    client.close()
    client.close()

    assert (before, client.is_closed()) == (False, True)


def test_a_client_is_a_context_manager(door: Door) -> None:
    with door.openai.OpenAI(api_key="sk", base_url=door.wire.url) as client:
        assert client.chat.completions.create(**ASK).choices[0].message.content == TEXT

    assert client.is_closed()


def test_a_closed_client_is_of_no_use(door: Door) -> None:
    client = door.sync(max_retries=0)
    client.close()

    with pytest.raises((openai.APIConnectionError, RuntimeError)):
        client.chat.completions.create(**ASK)

    assert door.wire.requests == []


async def test_an_async_client_is_a_context_manager(door: Door) -> None:
    async with door.asynchronous() as client:
        assert not client.is_closed()

    assert client.is_closed()


def test_a_copy_closes_with_its_original(door: Door) -> None:
    client = door.sync()
    other = client.with_options(timeout=3)

    client.close()

    assert other.is_closed()


@pytest.mark.surface("threads and tasks")
def test_threads_share_a_client(door: Door, client: Any) -> None:
    texts = [f"question {number}" for number in range(THREADS * 2)]

    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(lambda text: client.chat.completions.create(**_ask(text)), texts))

    assert [answer.choices[0].message.content for answer in answers] == texts
    assert len(door.wire.requests) == len(texts)


def test_threads_share_a_client_for_streams(client: Any) -> None:
    texts = [f"a longer question {number}" for number in range(THREADS)]

    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(
            pool.map(
                lambda text: written(client.chat.completions.create(**_ask(text), stream=True)),
                texts,
            )
        )

    assert answers == texts


async def test_tasks_share_a_client(door: Door) -> None:
    texts = [f"question {number}" for number in range(TASKS)]

    async with door.asynchronous() as client:
        answers = await asyncio.gather(
            *(client.chat.completions.create(**_ask(text)) for text in texts)
        )

    assert [answer.choices[0].message.content for answer in answers] == texts


async def test_a_cancelled_task_leaves_the_client_usable(door: Door) -> None:
    door.wire.script(Answer(waits=True))

    async with door.asynchronous() as client:
        task = asyncio.ensure_future(client.chat.completions.create(**ASK))
        assert await asyncio.to_thread(door.wire.wait_for_request)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        answer = await client.chat.completions.create(**ASK)

    assert answer.choices[0].message.content == TEXT


def test_a_client_works_inside_a_running_loop(door: Door) -> None:
    async def inside() -> str:
        answer = door.sync().chat.completions.create(**ASK)
        return str(answer.choices[0].message.content)

    assert asyncio.run(inside()) == TEXT


def test_an_async_client_works_under_trio(door: Door) -> None:
    async def main() -> Any:
        # No stream: the SDK leaves generators of its own behind, of which trio warns.
        async with door.asynchronous() as client:
            return await client.chat.completions.create(**ASK)

    assert trio.run(main).choices[0].message.content == TEXT


@pytest.mark.surface("patching of the SDK's classes")
def test_a_patched_method_of_the_class_is_called(
    door: Door, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    create = chat.Completions.create

    def traced(self: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(kwargs["model"])
        return create(self, *args, **kwargs)

    monkeypatch.setattr(chat.Completions, "create", traced)
    answer = client.chat.completions.create(**ASK)

    assert seen == [MODEL]
    assert answer.choices[0].message.content == TEXT


async def test_a_patched_method_of_the_async_class_is_called(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    create = chat.AsyncCompletions.create

    async def traced(self: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(kwargs["model"])
        return await create(self, *args, **kwargs)

    monkeypatch.setattr(chat.AsyncCompletions, "create", traced)
    async with door.asynchronous() as client:
        await client.chat.completions.create(**ASK)

    assert seen == [MODEL]


def test_a_method_patched_on_the_instance_is_called(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client.chat.completions, "create", lambda **kwargs: kwargs["model"])

    assert client.chat.completions.create(**ASK) == MODEL


def test_resources_are_of_the_installed_classes(client: Any) -> None:
    assert type(client.chat.completions) is chat.Completions
    assert type(client.models) is openai.resources.Models
    assert client.chat is client.chat


def test_a_subclass_of_the_client_works(door: Door) -> None:
    class Own(door.openai.OpenAI):  # type: ignore[misc, name-defined]
        greeting = "Hello"

    with Own(api_key="sk", base_url=door.wire.url) as client:
        other = client.with_options(timeout=3)

        assert other.greeting == "Hello"
        assert other.chat.completions.create(**ASK).choices[0].message.content == TEXT
