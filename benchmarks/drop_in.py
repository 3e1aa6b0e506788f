"""What a call costs through ``trunkline.openai``, beside the genuine client and a loopback server.

    python benchmarks/drop_in.py

CPU of this process alone, in turns in one run, the best of seven rounds: the server, which costs
the genuine client's machine nothing in real life either, is another process. Ours answers with the
Echo provider, its store a real file. The third figure of a call is the SDK alone, over a transport
that has the answer ready: what no Router could take off. Chunks come once a packet each, as
providers send them, and once all together.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openai

from benchmarks.loopback import ANSWER, CHUNKS, serve
from trunkline.openai import OpenAI
from trunkline.openai._transports import http_library
from trunkline.providers import EchoProvider

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 7
CALLS = 150
QUESTION: list[Any] = [{"role": "user", "content": "What is the capital of France?"}]
STREAMED: list[Any] = [{"role": "user", "content": "piece " * CHUNKS}]


def best_us(fns: dict[str, Callable[[], object]], calls: int) -> dict[str, float]:
    """Return the best CPU microseconds per call of each, taken in turns."""
    best = dict.fromkeys(fns, float("inf"))
    for _ in range(ROUNDS):
        for name, fn in fns.items():
            started = time.process_time()
            for _ in range(calls):
                fn()
            best[name] = min(best[name], (time.process_time() - started) / calls * 1e6)
    return best


def ready_client() -> Any:
    """Return the genuine client over a transport that has the answer ready."""
    library = http_library()

    def answer(_: Any) -> Any:
        return library.Response(200, json=ANSWER)

    http = library.Client(transport=library.MockTransport(answer))
    return openai.OpenAI(api_key="k", http_client=http)


def call(client: Any, model: str) -> Callable[[], object]:
    """Return a plain call."""
    return lambda: client.chat.completions.create(model=model, messages=QUESTION, max_tokens=100)


def stream(client: Any, model: str) -> Callable[[], object]:
    """Return a stream read to its end."""

    def read() -> None:
        for _ in client.chat.completions.create(
            model=model, messages=STREAMED, max_tokens=10_000, stream=True
        ):
            pass

    return read


def show(what: str, genuine: float, ours: float) -> None:
    """Print one line."""
    print(f"{what:34} genuine {genuine:8.1f} us  ours {ours:8.1f} us  ratio {ours / genuine:.2f}")


def main() -> None:
    """Run and print."""
    ports: multiprocessing.SimpleQueue[int] = multiprocessing.SimpleQueue()
    server = multiprocessing.Process(target=serve, args=(ports,), daemon=True)
    server.start()
    address = f"http://127.0.0.1:{ports.get()}"
    whole = openai.OpenAI(api_key="k", base_url=f"{address}/v1")
    packets = openai.OpenAI(api_key="k", base_url=f"{address}/packets")
    with (
        tempfile.TemporaryDirectory() as folder,
        OpenAI(providers=[EchoProvider()], store=Path(folder) / "bench.sqlite3") as ours,
    ):
        fns = {
            "genuine": call(whole, "m0"),
            "ours": call(ours, "echo"),
            "ready": call(ready_client(), "m0"),
            "router": call(ours.router, "echo"),
        }
        best = best_us(fns, CALLS)
        print(f"openai {openai.__version__}")
        show("a call", best["genuine"], best["ours"])
        for part, what in (("ready", "the SDK alone"), ("router", "the Router alone")):
            print(f"{'  of which ' + what:34} {best[part]:8.1f} us")
        for what, client in (("a chunk, a packet each", packets), ("a chunk, all at once", whole)):
            fns = {"genuine": stream(client, "m0"), "ours": stream(ours, "echo")}
            took = best_us(fns, 3)
            show(what, took["genuine"] / CHUNKS, took["ours"] / CHUNKS)
    server.terminate()


if __name__ == "__main__":
    main()
