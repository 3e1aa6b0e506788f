"""Routed calls against raw httpx, on the same loopback server in the same run.

    python benchmarks/loopback.py

CPU ratios (ours / raw httpx): a synchronous call (3 arms, budget and log on), 100 asynchronous
calls in flight (against httpx as it comes, and with all its connections kept), and a stream chunk
against ``iter_lines`` + ``json``, once with each chunk in a packet of its own, as providers send
them, and once with all of them at once.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from trunkline import AsyncRouter, Model, Router
from trunkline.providers import OpenAIProvider

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ROUNDS = 7
CHUNKS = 500
MESSAGES = [{"role": "user", "content": "What is the capital of France? " * 30}]
# By default httpx keeps 20 idle connections, so 100 calls in flight dial most of theirs anew.
ASYNC_CLIENTS: dict[str, dict[str, Any]] = {
    "async, 100 in flight": {},
    "async, 100 in flight, all kept": {
        "limits": httpx.Limits(max_connections=100, max_keepalive_connections=100)
    },
}
HEAD = {"id": "x", "created": 1, "model": "m0"}
ANSWER = {
    **HEAD,
    "object": "chat.completion",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Paris, of course."},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
}


def _event(delta: dict[str, str], finish: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {**HEAD, "object": "chat.completion.chunk", "choices": [choice]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


class _Server(asyncio.Protocol):
    """A minimal server: it must cost little beside what is measured."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.received = transport, b""

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, blank, rest = self.received.partition(b"\r\n\r\n")
        if not blank:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        if len(rest) < length:
            return
        self.received = rest[length:]
        if b'"stream":true' not in rest.replace(b": ", b":"):
            self._whole(json.dumps(ANSWER).encode(), b"application/json")
        elif b"/packets/" in head:
            self.task = asyncio.ensure_future(self._packets())
        else:
            self._whole(b"".join(_events()), b"text/event-stream")

    def _whole(self, body: bytes, kind: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n"
        self.transport.write(head % (kind, len(body)) + body)

    async def _packets(self) -> None:
        self.transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )
        for event in _events():
            self.transport.write(b"%x\r\n%s\r\n" % (len(event), event))
            await asyncio.sleep(0.0002)
        self.transport.write(b"0\r\n\r\n")


def _events() -> list[bytes]:
    pieces = [_event({"content": f"piece {i} "}, None) for i in range(CHUNKS)]
    usage = {**HEAD, "object": "chat.completion.chunk", "choices": [], "usage": ANSWER["usage"]}
    return [
        *pieces,
        _event({}, "stop"),
        b"data: " + json.dumps(usage).encode() + b"\n\n",
        b"data: [DONE]\n\n",
    ]


def serve(ports: multiprocessing.SimpleQueue[int]) -> None:
    """Run the server until killed."""

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(_Server, "127.0.0.1", 0)
        ports.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


def ratio(raw: Callable[[], object], ours: Callable[[], object], calls: int) -> tuple[float, float]:
    """Return the best CPU microseconds per call of both, taken in turns."""
    best = [float("inf"), float("inf")]
    for _ in range(ROUNDS):
        for i, fn in enumerate((raw, ours)):
            started = time.process_time()
            for _ in range(calls):
                fn()
            best[i] = min(best[i], (time.process_time() - started) / calls * 1e6)
    return best[0], best[1]


def show(what: str, raw: float, ours: float) -> None:
    """Print one line."""
    print(f"{what:34} raw httpx {raw:8.1f} us  ours {ours:8.1f} us  ratio {ours / raw:.2f}")


def models() -> list[Model]:
    """Return three priced arms."""
    return [
        Model(f"m{i}", input_usd_per_m="0.1", output_usd_per_m="0.4", max_output=4096)
        for i in range(3)
    ]


def synchronous(url: str, packets: str, store: Path) -> None:
    """Measure plain and streamed calls of the Router."""
    payload: dict[str, Any] = {"model": "m0", "messages": MESSAGES, "max_tokens": 100}
    client = httpx.Client(headers={"Authorization": "Bearer k"})
    router = Router(
        providers=[
            OpenAIProvider(base_url=url, api_key="k", models=models()),
            OpenAIProvider("packets", base_url=packets, api_key="k", models=models()),
        ],
        models=["openai/m0", "openai/m1", "openai/m2"],
        store=store,
    )
    router.budgets.set("all", usd="1000")

    def raw() -> None:
        json.loads(client.post(f"{url}/chat/completions", json=payload).content)

    def ours() -> Any:
        return router.chat.completions.create(model="auto", messages=MESSAGES, max_tokens=100)

    for _ in range(50):
        raw()
        router.feedback(ours(), score=0.5)
    show("sync call", *ratio(raw, ours, 200))
    for name, where, model in (("", url, "openai/m0"), (" in packets", packets, "packets/m0")):

        def raw_stream(where: str = where) -> None:
            body = {**payload, "stream": True}
            with client.stream("POST", f"{where}/chat/completions", json=body) as answer:
                for line in answer.iter_lines():
                    if line.startswith("data: ") and line != "data: [DONE]":
                        json.loads(line[6:])

        def our_stream(model: str = model) -> None:
            for _ in router.chat.completions.create(
                model=model, messages=MESSAGES, max_tokens=4096, stream=True
            ):
                pass

        figures = ratio(raw_stream, our_stream, 4)
        show(f"stream chunk{name}", *(figure / CHUNKS for figure in figures))
    router.close()
    client.close()


async def asynchronous(url: str, store: Path, what: str, client: httpx.AsyncClient) -> None:
    """Measure 100 calls in flight against a client."""
    payload: dict[str, Any] = {"model": "m0", "messages": MESSAGES, "max_tokens": 100}
    router = AsyncRouter(
        providers=[OpenAIProvider(base_url=url, api_key="k", models=models())],
        models=["openai/m0", "openai/m1", "openai/m2"],
        store=store,
    )
    await router.budgets.set("all", usd="1000")
    async with client:

        async def raw() -> None:
            json.loads((await client.post(f"{url}/chat/completions", json=payload)).content)

        async def ours() -> None:
            await router.chat.completions.create(model="auto", messages=MESSAGES, max_tokens=100)

        async def batch(fn: Callable[[], Awaitable[None]]) -> float:
            started = time.process_time()
            await asyncio.gather(*(fn() for _ in range(100)))
            return (time.process_time() - started) * 1e4

        best = [float("inf"), float("inf")]
        for _ in range(ROUNDS):
            for i, fn in enumerate((raw, ours)):
                best[i] = min(best[i], await batch(fn))
    show(what, *best)
    await router.close()


def main() -> None:
    """Start the server, run, print."""
    context = multiprocessing.get_context("spawn")
    ports = context.SimpleQueue()
    server = context.Process(target=serve, args=(ports,), daemon=True)
    server.start()
    root = f"http://127.0.0.1:{ports.get()}"
    with tempfile.TemporaryDirectory() as folder:
        synchronous(f"{root}/v1", f"{root}/packets/v1", Path(folder) / "sync.sqlite3")
        for number, (what, options) in enumerate(ASYNC_CLIENTS.items()):
            client = httpx.AsyncClient(headers={"Authorization": "Bearer k"}, **options)
            store = Path(folder) / f"async{number}.sqlite3"
            asyncio.run(asynchronous(f"{root}/v1", store, what, client))
    server.terminate()
    server.join()


if __name__ == "__main__":
    main()
