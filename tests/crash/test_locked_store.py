"""D1, D2, M14: somebody keeps the store locked, before a call, during it, and while it ends."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.crash.scene import asking, async_router_on, audit, completion, events, local, router_on
from tests.support.server import Pause, ScriptedServer, answer

from trunkline import _store
from trunkline.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from trunkline import Router

CALL: dict[str, Any] = {**asking(3), "model": "local/m"}
SLOWLY: list[Any] = [Pause(0.1), answer(completion(), b"Content-Type: application/json")]
STREAM: list[Any] = [
    b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % sum(map(len, events("all of it"))),
    *events("all of it")[:2],
    Pause(0.1),
    *events("all of it")[2:],
]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_store, "PATIENCE_S", 0.15)


@contextlib.contextmanager
def locked(path: str) -> Iterator[None]:
    other = sqlite3.connect(path, isolation_level=None, timeout=5, check_same_thread=False)
    try:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
    finally:
        other.close()


def wait_for_requests(server: ScriptedServer, requests: int) -> None:
    until = time.monotonic() + 5
    while len(server.requests) < requests and time.monotonic() < until:
        time.sleep(0.001)


@contextlib.contextmanager
def locked_soon(path: str, server: ScriptedServer, requests: int) -> Iterator[None]:
    """Lock the store as soon as the server has been asked, till the block ends."""
    over = threading.Event()

    def work() -> None:
        wait_for_requests(server, requests)
        with locked(path):
            over.wait(10)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def is_in_order(router: Router, calls: int) -> None:
    books = audit(router)
    assert (books.held, books.open_holds, books.findings) == (0, 0, [])
    assert books.calls == calls


@contextlib.contextmanager
def scene(path: str, script: list[Any]) -> Iterator[tuple[ScriptedServer, Router]]:
    with ScriptedServer([script]) as server, router_on(path, local(server)) as router:
        router.budgets.set("all", usd="50", per="total", on_exceeded="refuse")
        router.chat.completions.create(**{**CALL, "max_tokens": 41})
        yield server, router


def test_D2_a_locked_store_refuses_the_call_and_nothing_is_sent(store_path: str) -> None:
    script = [answer(completion(), b"Content-Type: application/json")]
    with scene(store_path, script) as (server, router):
        with locked(store_path):
            with pytest.raises(StorageError, match="locked") as caught:
                router.chat.completions.create(**CALL)
            assert len(server.requests) == 1
        assert caught.value.routing_id is not None
        assert caught.value.provider is None

        router.chat.completions.create(**CALL)

        is_in_order(router, 2)


def test_D1_an_answer_survives_a_store_that_is_locked_when_it_comes(store_path: str) -> None:
    with scene(store_path, SLOWLY) as (server, router):
        with locked_soon(store_path, server, 2):
            found = router.chat.completions.create(**CALL)

        assert found.choices[0].message.content == "all of it"
        router.chat.completions.create(**CALL)
        is_in_order(router, 3)
        assert audit(router).states == {"settled": 3}


def read_all(router: Router) -> str:
    stream = router.chat.completions.create(**CALL, stream=True)
    return "".join(c.choices[0].delta.content or "" for c in stream if c.choices)


def test_D1_a_stream_survives_a_store_that_is_locked_when_it_ends(store_path: str) -> None:
    with ScriptedServer([STREAM]) as server, router_on(store_path, local(server)) as router:
        router.budgets.set("all", usd="50", per="total", on_exceeded="refuse")
        with locked_soon(store_path, server, 1):
            text = read_all(router)

        assert text == "all of it"
        read_all(router)
        is_in_order(router, 2)


def test_S10_a_cancelled_call_waits_for_no_lock(store_path: str) -> None:
    with ScriptedServer([[Pause(9)]]) as server:
        router = async_router_on(store_path, local(server))

        async def main() -> float:
            await router.budgets.set("all", usd="50", per="total", on_exceeded="refuse")
            task = asyncio.ensure_future(router.chat.completions.create(**CALL))
            await asyncio.to_thread(wait_for_requests, server, 1)
            with locked(store_path):
                began = time.perf_counter()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                took = time.perf_counter() - began
            # Any write brings what could not be written then.
            await router.budgets.set("team:other", usd="1")
            assert len(await router.budgets.holds()) == 0
            return took

        assert asyncio.run(main()) < 0.2


def test_M14_a_broken_clean_up_does_not_hide_why_the_call_failed(
    store_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(fn: Callable[[Any], Any]) -> Any:
        raise StorageError("the disk is gone")

    with ScriptedServer([[Pause(9)]]) as server:
        router = async_router_on(store_path, local(server))

        async def main() -> None:
            await router.budgets.set("all", usd="50", per="total", on_exceeded="refuse")
            task = asyncio.ensure_future(router.chat.completions.create(**CALL))
            await asyncio.to_thread(wait_for_requests, server, 1)
            with monkeypatch.context() as patch:
                patch.setattr(router._engine.database, "write", broken)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            await router.budgets.set("team:other", usd="1")
            assert len(await router.budgets.holds()) == 0

        asyncio.run(main())
