"""A process that calls until it is killed: ``python victim.py STORE WAY TARGET THREADS``.

``TARGET`` is the file to which the simulated provider writes its bills, or the URL of a server.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import threading
from typing import Any

from tests.crash.scene import MODEL, BillingToFile, asking, async_router_on, router_on

from trunkline.catalog.models import Model
from trunkline.providers import OpenAIProvider


def main(store: str, way: str, target: str, threads: int) -> None:
    provider: Any
    if target.startswith("http"):
        model = Model("m", input_usd_per_m="3", output_usd_per_m="15.0375")
        provider = OpenAIProvider("local", base_url=target, api_key="k", models=[model])
        name = "local/m"
    else:
        provider, name = BillingToFile(target, 0.003), MODEL
    if way == "tasks":
        asyncio.run(_tasks(store, provider, name, threads))
        return
    router = router_on(store, provider)
    work = _stream if way == "streams" else _plain
    work(router, name, 0)
    os.write(1, b"started\n")
    for _ in range(threads - 1):
        threading.Thread(target=_for_ever, args=(work, router, name), daemon=True).start()
    _for_ever(work, router, name)


def _for_ever(work: Any, router: Any, name: str) -> None:
    for number in itertools.count():
        work(router, name, number)


def _plain(router: Any, name: str, number: int) -> None:
    router.chat.completions.create(**{**asking(number), "model": name})


def _stream(router: Any, name: str, number: int) -> None:
    for _ in router.chat.completions.create(**{**asking(number), "model": name}, stream=True):
        pass


async def _tasks(store: str, provider: Any, name: str, tasks: int) -> None:
    router = async_router_on(store, provider)

    async def work() -> None:
        for number in itertools.count():
            await router.chat.completions.create(**{**asking(number), "model": name})

    await router.chat.completions.create(**{**asking(0), "model": name})
    os.write(1, b"started\n")
    await asyncio.gather(*(work() for _ in range(tasks)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
