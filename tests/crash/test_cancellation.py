"""S10: calls cancelled at random moments by every means that asyncio, anyio and trio have."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import random
from typing import TYPE_CHECKING, Any

import anyio
import pytest
import trio
from tests.crash.scene import (
    MODEL,
    asking,
    async_router_on,
    audit,
    completion,
    events,
    local,
    router_on,
    simulated,
)
from tests.support.server import Pause, Reset, ScriptedServer, answer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from trunkline import AsyncRouter

    from .conftest import Sized

    Call = Callable[[], Coroutine[Any, Any, None]]
    Way = Callable[[Call, float], Awaitable[object]]

LONGEST_S = 0.005


async def cancelled(call: Call, after_s: float) -> None:
    task = asyncio.ensure_future(call())
    await asyncio.sleep(after_s)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def cancelled_twice(call: Call, after_s: float) -> None:
    task = asyncio.ensure_future(call())
    await asyncio.sleep(after_s)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def waited_for(call: Call, after_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(call(), after_s)


async def under_timeout(call: Call, after_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(after_s):
            await call()


async def moved_on(call: Call, after_s: float) -> None:
    with anyio.move_on_after(after_s):
        await call()


async def in_a_cancelled_group(call: Call, after_s: float) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(call)
        await anyio.sleep(after_s)
        group.cancel_scope.cancel()


ON_ASYNCIO = [
    cancelled,
    cancelled_twice,
    waited_for,
    under_timeout,
    moved_on,
    in_a_cancelled_group,
]
WAYS = [pytest.param(way, "asyncio", id=f"asyncio-{way.__name__}") for way in ON_ASYNCIO]
WAYS += [
    pytest.param(way, "trio", id=f"trio-{way.__name__}") for way in (moved_on, in_a_cancelled_group)
]


def run(backend: str, main: Callable[[], Awaitable[Any]]) -> Any:
    return asyncio.run(main()) if backend == "asyncio" else trio.run(main)  # type: ignore[arg-type]


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def campaign(router: AsyncRouter, way: Way, model: str, tries: int, stream: bool) -> int:
    """Cancel ``tries`` calls; return how many of them answered nevertheless."""
    rng, done = random.Random(7), 0

    async def call() -> None:
        nonlocal done
        arguments: Any = {**asking(3), "model": model}
        if stream:
            async with await router.chat.completions.create(**arguments, stream=True) as chunks:
                async for _ in chunks:
                    pass
        else:
            await router.chat.completions.create(**arguments)
        done += 1

    await call()
    for _ in range(tries):
        await way(call, rng.random() * LONGEST_S)
        if rng.random() < 0.1:
            assert len(await router.budgets.holds()) == 0
    before = done
    await call()
    assert done == before + 1
    return done


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize(("way", "backend"), WAYS)
def test_S10_cancelled_exchanges_hold_nothing_and_lose_no_connection(
    store_path: str, way: Way, backend: str, stream: bool, sized: Sized
) -> None:
    tries = sized(500)
    pieces = events("all ", "of ", "it")
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: keep-alive\r\n"
    length = b"Content-Length: %d\r\n\r\n" % sum(map(len, pieces))
    script: list[Any] = [head + length]
    for piece in pieces:
        script += [Pause(0.0004), piece]
    if not stream:
        script = [Pause(0.002), answer(completion(), b"Content-Type: application/json")]

    with ScriptedServer([script]) as server:
        router = async_router_on(store_path, local(server))

        async def main() -> tuple[int, int, int]:
            await router.budgets.set("all", usd="50", per="total", on_exceeded="refuse")
            done = await campaign(router, way, "local/m", tries, stream)
            gc.collect()
            for _ in range(20):
                await anyio.sleep(0.002)
            kept = len(router._io._free())
            until = 100
            while server.open_connections > kept and until:
                until -= 1
                await anyio.sleep(0.01)
            return done, kept, server.open_connections

        before = descriptors()
        done, kept, connected = run(backend, main)
        assert connected == kept <= 2
        run_close(router, backend)
        gc.collect()
        assert server.wait_closed()
        assert descriptors() <= before
    with router_on(store_path, simulated(0)) as reader:
        books = audit(reader)
    assert tries // 20 < tries + 2 - done, "too few were cancelled to show anything"
    assert (books.held, books.open_holds, books.findings) == (0, 0, [])


def run_close(router: AsyncRouter, backend: str) -> None:
    run(backend, router.close)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize(("way", "backend"), WAYS)
def test_S10_cancelled_calls_are_charged_at_least_what_was_billed(
    store_path: str, way: Way, backend: str, stream: bool, sized: Sized
) -> None:
    tries = sized(500)
    provider = simulated(0.003)
    router = async_router_on(store_path, provider)

    async def main() -> int:
        await router.budgets.set("all", usd="50", per="total", on_exceeded="refuse")
        done = await campaign(router, way, MODEL, tries, stream)
        gc.collect()
        await router.close()
        return done

    done = run(backend, main)

    with router_on(store_path, simulated(0)) as reader:
        books = audit(reader)
    assert tries // 20 < tries + 2 - done, "too few were cancelled to show anything"
    assert (books.held, books.open_holds, books.findings) == (0, 0, [])
    assert books.spent >= provider.billed.nanousd


def states(router: AsyncRouter) -> list[str]:
    with router_on(router._engine.database.path, simulated(0)) as reader:
        assert len(reader.budgets.holds()) == 0
        return [record.state for record in reader.usage.records()]


def test_M5_a_call_cancelled_while_it_connects_owes_nothing(
    store_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object) -> None:
        await asyncio.sleep(9)

    with ScriptedServer([[answer(completion())]]) as server:
        router = async_router_on(store_path, local(server))

        async def main() -> None:
            await router.chat.completions.create(**{**asking(3), "model": "local/m"})
            router._io._free().clear()
            monkeypatch.setattr("trunkline._io._async_network._connect_asyncio", never)
            await waited_for(
                lambda: router.chat.completions.create(**{**asking(3), "model": "local/m"}), 0.05
            )

        asyncio.run(main())

        assert sorted(states(router)) == ["settled", "voided"]


def test_M7_a_call_cancelled_between_two_attempts_owes_the_first_one_only(store_path: str) -> None:
    with ScriptedServer([[Reset]]) as server:
        router = async_router_on(store_path, local(server))

        async def main() -> None:
            with anyio.move_on_after(0.25):
                await router.chat.completions.create(**{**asking(3), "model": "local/m"})

        asyncio.run(main())

        assert len(server.requests) == 1
        assert sorted(states(router)) == ["estimated", "voided"]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_S10_a_cancelled_commit_to_the_disk_is_known_before_it_is_cleaned_up(
    store_path: str, backend: str, sized: Sized
) -> None:
    provider = simulated(0.001)
    router = async_router_on(store_path, provider, durability="full")
    way = moved_on if backend == "trio" else cancelled_twice

    async def main() -> None:
        await router.budgets.set("all", usd="50", per="total", on_exceeded="refuse")
        await campaign(router, way, MODEL, sized(500), stream=False)
        await router.close()

    run(backend, main)

    with router_on(store_path, simulated(0)) as reader:
        books = audit(reader)
    assert (books.held, books.open_holds, books.findings) == (0, 0, [])
    assert books.spent >= provider.billed.nanousd


def test_S10_a_call_dropped_half_way_runs_no_statement_and_is_settled_by_the_next(
    store_path: str,
) -> None:
    with ScriptedServer([[Pause(9)]]) as server:
        router = async_router_on(store_path, local(server))

        async def main() -> int:
            await router.budgets.set("all", usd="50", per="total", on_exceeded="refuse")
            call: Any = router.chat.completions.create(**{**asking(3), "model": "local/m"})
            call.send(None)  # as far as the connection
            call.close()
            held = len(await router.budgets.holds())
            await router.budgets.set("team:other", usd="1")
            return held

        assert asyncio.run(main()) == 1

        assert states(router) in (["voided"], ["estimated"])  # as the dialling went
