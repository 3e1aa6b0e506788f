"""What a call costs us without any network: decide, hold, settle, learn.

    python benchmarks/own_path.py [--arms 20] [--characters 1000] [--calls 300]

CPU microseconds per call of the whole Router over a simulated provider that answers at once, budget
and log on; the best of five rounds, because other processes only ever add to it. The second figure
takes off what the simulated provider itself costs.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from trunkline import Router
from trunkline.catalog.models import Deployment
from trunkline.providers import SimulatedModel, SimulatedProvider
from trunkline.providers.base import Asked, HttpResponse

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 5


def best_us(fn: Callable[[], object], calls: int) -> float:
    """Return CPU microseconds per call, the best of a few rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.process_time()
        for _ in range(calls):
            fn()
        best = min(best, (time.process_time() - started) / calls * 1e6)
    return best


def main(arms: int, characters: int, calls: int) -> None:
    """Run and print."""
    names = [f"model-{i}" for i in range(arms)]
    provider = SimulatedProvider(
        models=[
            SimulatedModel(id=name, input_usd_per_m="0.1", output_usd_per_m="0.4") for name in names
        ]
    )
    text = "What is the capital of France, and how far is it from Berlin? "
    messages = [{"role": "user", "content": (text * (characters // len(text) + 1))[:characters]}]
    with (
        tempfile.TemporaryDirectory() as folder,
        Router(providers=[provider], store=Path(folder) / "bench.sqlite3", seed=1) as router,
    ):
        router.budgets.set("all", usd="1000")

        def call() -> None:
            router.chat.completions.create(model="auto", messages=messages, max_tokens=200)

        for _ in range(100):
            answer = router.chat.completions.create(model="auto", messages=messages, max_tokens=200)
            router.feedback(answer, score=0.5)
        whole = best_us(call, calls)
        alone = best_us(exchange(provider, messages), calls)
    print(f"{arms} arms, {characters} characters: {whole:.0f} us CPU per call,")
    print(f"  of which the simulated exchange {alone:.0f} us; own path {whole - alone:.0f} us")


def exchange(provider: SimulatedProvider, messages: list[dict[str, str]]) -> Callable[[], None]:
    """Return what only the provider does in a call: build, answer, parse."""
    model = provider.models[0]
    asked = Asked(
        params={"model": model.id, "messages": messages, "max_tokens": 200},
        deployment=Deployment(provider.name, model),
        created=0,
        new_id=lambda prefix: prefix + "1",
    )

    def once() -> None:
        built = provider.build_request(asked)
        steps = list(provider.transport(built.http))
        body = b"".join(step for step in steps if isinstance(step, bytes))
        provider.parse(HttpResponse(200, {}, body), built.exchange)

    return once


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arms", type=int, default=20)
    parser.add_argument("--characters", type=int, default=1000)
    parser.add_argument("--calls", type=int, default=300)
    given = parser.parse_args()
    main(given.arms, given.characters, given.calls)
