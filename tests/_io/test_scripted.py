"""Transports: generators that answer without a socket."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.hands import Hands

from trunkline._io.async_ import AsyncIO
from trunkline._io.body import read_all
from trunkline._io.limits import Clock
from trunkline._io.protocol import Timeout
from trunkline.errors import (
    APIConnectionError,
    APITimeoutError,
    BadRequestError,
    ConfigurationError,
)
from trunkline.providers.base import Head, HttpRequest, Invoke, Wait

if TYPE_CHECKING:
    from collections.abc import Generator

REQUEST = HttpRequest("POST", "http://nowhere.invalid/", (), b"")
Script = Any


async def start(
    io: Any,
    script: Any,
    limits: Timeout = Timeout(),  # noqa: B008  # frozen
    within_s: float | None = None,
) -> Any:
    deadline = None if within_s is None else io.monotonic() + within_s
    return await io.open(REQUEST, timeout=limits, deadline=deadline, transport=lambda _: script)


async def fetch(io: Any, script: Any, *args: Any) -> tuple[bytes, float]:
    source = await start(io, script, *args)
    body = await read_all(source)
    return body, source.elapsed_extra_s


def test_head_and_bytes_are_the_answer(hands: Hands) -> None:
    def script() -> Script:
        yield Head(201, {"X-A": "b"})
        yield b"one"
        yield b""
        yield b"two"

    async def main(io: Any) -> Any:
        source = await start(io, script())
        return source.status, source.headers, [await source.read() for _ in range(4)]

    assert hands.run(main) == (201, {"x-a": "b"}, [b"one", b"two", b"", b""])


def test_simulated_time_is_counted_and_takes_none(hands: Hands) -> None:
    def script() -> Script:
        yield Wait(2.0)
        yield Head(200)
        yield Wait(30.0)
        yield b"late"

    began = time.monotonic()

    assert hands.run(fetch, script()) == (b"late", 32.0)
    assert time.monotonic() - began < 1


def test_real_time_is_slept(hands: Hands) -> None:
    def script() -> Script:
        yield Wait(0.05, real=True)
        yield Head(200)

    began = time.monotonic()

    assert hands.run(fetch, script()) == (b"", 0.0)
    assert time.monotonic() - began >= 0.05


@pytest.mark.parametrize(
    ("waits", "limits", "within_s"),
    [
        ([Wait(11.0)], Timeout(5, 10, 10), None),
        ([Wait(6.0), Wait(6.0)], Timeout(5, 10, 10), None),
        ([Wait(61.0)], Timeout(5, None, None), 60.0),
        ([Wait(9.0, real=True)], Timeout(5, 0.05, 10), None),
        ([Wait(9.0, real=True)], Timeout(5, 10, 10), 0.05),
    ],
)
def test_waits_past_a_limit_end_at_it(
    hands: Hands, waits: list[Wait], limits: Timeout, within_s: float | None
) -> None:
    def script() -> Script:
        yield Head(200)
        yield from waits
        yield b"never"

    began = time.monotonic()
    with pytest.raises(APITimeoutError):
        hands.run(fetch, script(), limits, within_s)

    assert time.monotonic() - began < 0.5


def test_the_read_timeout_starts_anew_with_each_piece(hands: Hands) -> None:
    def script() -> Script:
        yield Head(200)
        for _ in range(3):
            yield Wait(8.0)
            yield b"x"

    assert hands.run(fetch, script(), Timeout(5, 10, 10)) == (b"xxx", 24.0)


def test_an_idle_limit_of_a_read_replaces_the_read_timeout(hands: Hands) -> None:
    def script() -> Script:
        yield Head(200)
        yield Wait(2.0)

    async def main(io: Any) -> None:
        source = await start(io, script())
        with pytest.raises(APITimeoutError):
            await source.read(idle_s=1.0)
        with pytest.raises(APIConnectionError, match="closed"):
            await source.read()

    hands.run(main)


def test_a_function_is_run_and_its_result_sent_back(hands: Hands) -> None:
    def script() -> Script:
        result = yield Invoke(lambda: b"made " + str(threading.current_thread().name).encode())
        yield Head(200)
        yield result

    body, _ = hands.run(fetch, script())

    assert body.startswith(b"made ")
    assert (body == b"made MainThread") is (hands.way == "sync")


def test_an_async_function_is_awaited_or_refused_by_name(hands: Hands) -> None:
    async def slow() -> bytes:
        await hands.io.sleep(0.001)
        return b"awaited"

    def script() -> Script:
        result = yield Invoke(slow, is_async=True)
        yield Head(200)
        yield result

    if hands.way == "sync":
        with pytest.raises(ConfigurationError, match=r"FunctionProvider.*AsyncRouter"):
            hands.run(fetch, script())
    else:
        assert hands.run(fetch, script())[0] == b"awaited"


def test_the_transport_may_translate_what_its_function_raises(hands: Hands) -> None:
    def fail() -> None:
        raise KeyError("x")

    def script() -> Script:
        try:
            yield Invoke(fail)
        except KeyError:
            yield Head(500)
        yield b"told"

    assert hands.run(fetch, script())[0] == b"told"


def test_what_a_transport_raises_is_typed(hands: Hands) -> None:
    def broken() -> Script:
        yield Head(200)
        raise ZeroDivisionError

    def refusing() -> Script:
        raise BadRequestError("no")
        yield

    with pytest.raises(APIConnectionError, match="ZeroDivisionError"):
        hands.run(fetch, broken())
    with pytest.raises(BadRequestError, match="no"):
        hands.run(fetch, refusing())


@pytest.mark.parametrize("steps", [[], [b"early"], [Head(200), Head(200)]])
def test_a_transport_gives_one_status_first(hands: Hands, steps: list[Any]) -> None:
    with pytest.raises(APIConnectionError, match="status"):
        hands.run(fetch, (step for step in steps))


def test_a_function_past_the_deadline_is_a_timeout(hands: Hands) -> None:
    def script() -> Script:
        yield Head(200)
        yield Invoke(lambda: time.sleep(0.1))
        yield b"too late"

    with pytest.raises(APITimeoutError):
        hands.run(fetch, script(), Timeout(), 0.03)


def test_a_function_is_not_started_past_the_deadline(hands: Hands) -> None:
    calls: list[int] = []

    def script() -> Script:
        yield Invoke(lambda: calls.append(1))
        yield Head(200)

    with pytest.raises(APITimeoutError):
        hands.run(fetch, script(), Timeout(), -1.0)

    assert not calls


@pytest.mark.parametrize("how", ["close", "abort"])
def test_leaving_early_ends_the_script(hands: Hands, how: str) -> None:
    ended: list[bool] = []

    def script() -> Generator[Any, Any, None]:
        try:
            yield Head(200)
            while True:
                yield b"x"
        finally:
            ended.append(True)

    async def main(io: Any) -> None:
        source = await start(io, script())
        await source.read()
        if how == "close":
            await source.close()
        else:
            source.abort()

    hands.run(main)

    assert ended == [True]


async def test_cancelling_does_not_wait_for_a_function_in_a_thread() -> None:
    release = threading.Event()

    def script() -> Script:
        yield Invoke(lambda: release.wait(5))
        yield Head(200)

    task = asyncio.create_task(fetch(AsyncIO(), script()))
    await asyncio.sleep(0.02)
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    took = time.monotonic() - began
    release.set()

    assert took < 0.5


async def test_a_hop_runs_to_its_end_whatever_is_cancelled() -> None:
    done: list[int] = []

    def commit() -> int:
        time.sleep(0.05)
        done.append(1)
        return 1

    task = asyncio.create_task(AsyncIO().hop(commit))
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert done == [1]


def test_the_other_effects(hands: Hands) -> None:
    async def main(io: Any) -> tuple[Any, ...]:
        return await io.call(lambda: 1), await io.hop(lambda: 2), io.now(), io.monotonic()

    one, two, now, monotonic = hands.run(main)

    assert (one, two) == (1, 2)
    assert abs(now - time.time()) < 5
    assert abs(monotonic - time.monotonic()) < 5


def test_an_injected_clock_sleeps_instead(hands: Hands) -> None:
    slept: list[float] = []
    clock = Clock(now=lambda: 7.0, monotonic=lambda: 8.0, sleep=slept.append)
    io = type(hands.io)(hands.pool, clock=clock)

    async def main(_: Any) -> tuple[float, float]:
        await io.sleep(3600)
        return io.now(), io.monotonic()

    assert hands.run(main) == (7.0, 8.0)
    assert slept == [3600]
