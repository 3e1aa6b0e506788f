"""P10: a server that dribbles never holds a call past its deadline."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import anyio
import pytest
import trio
from tests.crash.scene import asking, async_router_on, completion, event, local, router_on
from tests.support.server import Dribble, Pause, ScriptedServer, Step, answer

from trunkline.errors import APITimeoutError, InternalServerError
from trunkline.types.routing import RouteOptions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

DEADLINE_S = 0.3
SLACK_S = 0.5
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: 100000\r\n\r\n"
JSON, EVENTS = HEAD % b"application/json", HEAD % b"text/event-stream"
PIECE = event('{"content":"x"}')

SCRIPTS: dict[str, Sequence[Step]] = {
    "hang": [Pause(9)],
    "dribbled head": [Dribble(answer(completion()), gap_s=0.03)],
    "dribbled body": [JSON, Dribble(completion(), gap_s=0.03)],
    "dribbled error": [
        b"HTTP/1.1 500 Oops\r\nContent-Length: 100000\r\n\r\n",
        Dribble(b"x" * 900, gap_s=0.03),
    ],
    "busy": [answer(b"{}", b"Retry-After: 0", status=b"503 Busy")],
}
STREAMS: dict[str, Sequence[Step]] = {
    "hang": [Pause(9)],
    "dribbled head": [Dribble(EVENTS, gap_s=0.03)],
    "dribbled events": [EVENTS, Dribble(PIECE * 99, gap_s=0.002)],
    "slow events": [EVENTS, *(step for _ in range(99) for step in (PIECE, Pause(0.05)))],
    "stall": [EVENTS, PIECE, Pause(9)],
}
CASES = [
    pytest.param(script, stream, id=f"{'stream' if stream else 'plain'}-{name}")
    for stream, scripts in ((False, SCRIPTS), (True, STREAMS))
    for name, script in scripts.items()
]


def arguments(stream: bool) -> dict[str, Any]:
    return {
        **asking(3),
        "model": "local/m",
        "stream": stream,
        "route": RouteOptions(deadline_s=DEADLINE_S),
    }


@pytest.fixture(autouse=True, scope="module")
def _loaded(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The first call of a process loads the HTTP library, which is not the server's doing."""
    store = str(tmp_path_factory.mktemp("loaded") / "store")
    with ScriptedServer([[answer(completion())]]) as server:
        with router_on(store, local(server)) as router:
            router.chat.completions.create(**{**asking(3), "model": "local/m"})
        anyio.run(_once, store, server)


async def _once(store: str, server: ScriptedServer) -> None:
    router = async_router_on(store, local(server))
    await router.chat.completions.create(**{**asking(3), "model": "local/m"})
    await router.close()


def timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    # A server that says 503 for ever is told by its last word, all others by the clock.
    with pytest.raises((APITimeoutError, InternalServerError)):
        call()
    return time.perf_counter() - began


@pytest.mark.parametrize(("script", "stream"), CASES)
def test_P10_a_dribbling_server_never_passes_the_deadline(
    store_path: str, script: Sequence[Step], stream: bool
) -> None:
    def call() -> None:
        found: Any = router.chat.completions.create(**arguments(stream))
        if stream:
            for _ in found:
                pass

    with ScriptedServer([script]) as server, router_on(store_path, local(server)) as router:
        took = timed(call)

        assert took <= DEADLINE_S + SLACK_S
        assert len(router.budgets.holds()) == 0
        router.close()
        assert server.wait_closed()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize(("script", "stream"), CASES)
def test_P10_a_dribbling_server_never_passes_the_deadline_of_async_calls(
    store_path: str, script: Sequence[Step], stream: bool, backend: str
) -> None:
    async def call() -> None:
        found: Any = await router.chat.completions.create(**arguments(stream))
        if stream:
            async for _ in found:
                pass

    def run(main: Callable[[], Awaitable[Any]]) -> Any:
        return asyncio.run(main()) if backend == "asyncio" else trio.run(main)  # type: ignore[arg-type]

    with ScriptedServer([script]) as server:
        router = async_router_on(store_path, local(server))

        took = timed(lambda: run(call))

        assert took <= DEADLINE_S + SLACK_S
        assert len(run(router.budgets.holds)) == 0
        assert server.wait_closed()
