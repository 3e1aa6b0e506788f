"""L2: processes killed at random moments lose no spend and leave nothing held."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.crash.scene import (
    Audit,
    asking,
    audit,
    completion,
    events,
    reservation,
    router_on,
    simulated,
)
from tests.support.server import Pause, ScriptedServer, answer

from trunkline.types.money import nanousd

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
THREADS = 3
# What the scripted server bills for one request: 12 tokens in, 7 out.
SERVER_BILLS = -(-(12 * 3_000_000 + 7 * 15_037_500) // 1000)


def victim(store: str, way: str, target: str) -> subprocess.Popen[bytes]:
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(
        [sys.executable, "-m", "tests.crash.victim", store, way, target, str(THREADS)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
    )


def killed_at_random(store: str, ways: list[str], target: str, rng: random.Random) -> None:
    """Start victims on one store, and kill each a while after its first call."""
    victims = [victim(store, way, target) for way in ways]
    for process in victims:
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
    for process in victims:
        time.sleep(rng.random() * 0.03)
        process.kill()
    for process in victims:
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
        assert process.returncode == -9


def recovered(store: str) -> tuple[Audit, int]:
    """One ordinary call of another process is all that recovery takes; its cost stands apart."""
    with router_on(store, simulated(0)) as router:
        answer = router.chat.completions.create(**asking(0))
        return audit(router), nanousd(answer.routing.actual.cost_usd)


def check(books: Audit, own: int, billed: int, killed: int, one: int) -> None:
    charged = books.spent - own
    assert charged >= billed, "spend was lost"
    assert charged - billed <= killed * one, "more was charged than the killed calls held"
    assert (books.held, books.open_holds) == (0, 0)
    assert books.findings == []


@pytest.fixture(
    params=[pytest.param(1, id="tenth"), pytest.param(20, id="full", marks=pytest.mark.soak)]
)
def rounds(request: pytest.FixtureRequest) -> int:
    """Rounds of three kills."""
    found: int = request.param
    return found


def test_L2_killed_processes_lose_no_spend(store_path: str, tmp_path: Path, rounds: int) -> None:
    rng, bills = random.Random(11), tmp_path / "bills"
    one = reservation(store_path)
    with router_on(store_path, simulated(0)) as router:
        router.budgets.set("all", usd="50", per="total", on_exceeded="refuse")
    own, orphans = 0, 0
    for number in range(rounds):
        killed_at_random(store_path, ["plain", "streams", "tasks"], str(bills), rng)

        with router_on(store_path, simulated(0)) as reader:
            orphans += len(reader.budgets.holds())
        books, cost = recovered(store_path)

        own += cost
        billed = sum(map(int, bills.read_text().split()))
        check(books, own, billed, 3 * THREADS * (number + 1), one)
    assert orphans > 0, "no kill hit a call under way"
    assert books.states["estimated"] >= orphans  # the others recover what the first ones held


def streamed() -> list[Any]:
    pieces = events("all ", "of ", "it")
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    script: list[Any] = [head + b"Content-Length: %d\r\n\r\n" % sum(map(len, pieces))]
    for piece in pieces:
        script += [Pause(0.0005), piece]
    return script


def whole() -> list[Any]:
    return [Pause(0.002), answer(completion(), b"Content-Type: application/json")]


@pytest.mark.parametrize(
    ("script", "ways"),
    [(whole, ["plain", "tasks"]), (streamed, ["streams", "streams"])],
    ids=["plain", "stream"],
)
def test_L2_killed_exchanges_are_charged_what_the_server_may_bill(
    store_path: str, script: Callable[[], list[Any]], ways: list[str], rounds: int
) -> None:
    rng, own = random.Random(13), 0
    one = reservation(store_path)
    with router_on(store_path, simulated(0)) as router:
        router.budgets.set("all", usd="50", per="total", on_exceeded="refuse")

    with ScriptedServer([script()]) as server:
        for number in range(max(1, rounds // 2)):
            killed_at_random(store_path, ways, server.url.removesuffix("/chat"), rng)
            assert server.wait_closed()
            books, cost = recovered(store_path)

            own += cost
            billed = SERVER_BILLS * len(server.requests)
            check(books, own, billed, 2 * THREADS * (number + 1), one)
    assert books.states["estimated"] > 0, "no kill hit a call under way"
