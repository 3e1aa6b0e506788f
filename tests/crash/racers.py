"""One process of the race: its threads or tasks spend from a shared budget until it is gone."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.crash.scene import asking, async_router_on, router_on, simulated

from trunkline.errors import BudgetExceededError

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from trunkline import AsyncRouter, Router


def run(pipe: Connection, path: str, way: str, seed: int, workers: int, calls: int) -> None:
    """Wait for the start, race, send back what the provider billed and what went wrong."""
    provider = simulated()
    tally = {"answered": 0, "refused": 0, "unjust": 0}
    errors: list[str] = []
    pipe.send("ready")
    pipe.recv()
    try:
        if way in ("threads", "streams"):
            with router_on(path, provider) as router:
                _threads(router, way == "streams", seed, workers, calls, tally, errors)
        else:
            asyncio.run(_tasks(path, provider, way, seed, workers, calls, tally))
    except BaseException as error:  # noqa: BLE001  # told to the parent, which fails on it
        errors.append(f"{type(error).__name__}: {error}")
    billed = provider.billed
    pipe.send({**tally, "billed": billed.nanousd, "calls": billed.calls, "errors": errors})
    pipe.close()


def _threads(
    router: Router,
    stream: bool,
    seed: int,
    workers: int,
    calls: int,
    tally: dict[str, int],
    errors: list[str],
) -> None:
    lock = threading.Lock()

    def work(worker: int) -> None:
        for number in range(calls):
            try:
                _spend(partial(_once, router, stream, seed + worker + number), tally, lock)
            except Exception as error:  # noqa: BLE001  # told to the parent
                errors.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=work, args=(i,)) for i in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _once(router: Router, stream: bool, number: int) -> None:
    if not stream:
        router.chat.completions.create(**asking(number))
        return
    for _ in router.chat.completions.create(**asking(number), stream=True):
        pass


def _spend(once: Callable[[], Any], tally: dict[str, int], lock: Any) -> None:
    while True:
        try:
            once()
        except BudgetExceededError as error:
            if not _note_refusal(error, tally, lock):
                return
        else:
            with lock:
                tally["answered"] += 1
            return


def _note_refusal(error: BudgetExceededError, tally: dict[str, int], lock: Any) -> bool:
    """Count it; tell whether only held money was in the way, so that the call is made again."""
    assert error.needed is not None
    with lock:
        if error.spent + error.held + error.needed <= error.limit:
            tally["unjust"] += 1
            return False
        if error.spent + error.needed <= error.limit:
            return True
        tally["refused"] += 1
        return False


async def _tasks(
    path: str,
    provider: Any,
    way: str,
    seed: int,
    workers: int,
    calls: int,
    tally: dict[str, int],
) -> None:
    lock = threading.Lock()
    async with async_router_on(path, provider) as router:

        async def work(worker: int) -> None:
            for number in range(calls):
                while True:
                    try:
                        await _once_async(router, way == "async streams", seed + worker + number)
                    except BudgetExceededError as error:
                        if _note_refusal(error, tally, lock):
                            await asyncio.sleep(0.001)
                            continue
                    else:
                        tally["answered"] += 1
                    break

        await asyncio.gather(*(work(i) for i in range(workers)))


async def _once_async(router: AsyncRouter, stream: bool, number: int) -> None:
    if not stream:
        await router.chat.completions.create(**asking(number))
        return
    async for _ in await router.chat.completions.create(**asking(number), stream=True):
        pass
