"""L3: processes forked off a Router in full use share its books and nothing else."""

from __future__ import annotations

import multiprocessing
import threading
from typing import TYPE_CHECKING, Any

import pytest
from tests.crash.scene import MODEL, asking, audit, completion, local, router_on, simulated
from tests.support.server import Pause, ScriptedServer, answer

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from trunkline import Router

    from .conftest import Sized

# Python warns of any fork with threads about; that forks are safe here is what is tested.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
CALLS = 3


def child(router: Router, provider: Any, model: str, pipe: Connection) -> None:
    before = provider.billed.nanousd if model == MODEL else 0
    try:
        ids = [ask(router, model, number) for number in range(CALLS)]
        after = provider.billed.nanousd if model == MODEL else 0
        pipe.send((ids, after - before))
    except BaseException as error:  # noqa: BLE001  # told to the parent, which fails on it
        pipe.send(f"{type(error).__name__}: {error}")


def ask(router: Router, model: str, number: int) -> str:
    answer = router.chat.completions.create(**{**asking(number), "model": model})
    found: str = answer.routing.id
    return found


def forked_in_use(
    router: Router, provider: Any, model: str, forks: int
) -> tuple[list[str], int, list[str]]:
    """Fork while four threads call; return all ids, what children were billed, and errors."""
    context, stop = multiprocessing.get_context("fork"), threading.Event()
    ids: list[str] = [ask(router, model, 0)]
    errors: list[str] = []

    def work() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            try:
                ids.append(ask(router, model, number))
            except Exception as error:  # noqa: BLE001  # the test fails on it
                errors.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    billed = 0
    for _ in range(forks):
        ours, theirs = context.Pipe()
        process: Any = context.Process(target=child, args=(router, provider, model, theirs))
        process.start()
        theirs.close()
        found = ours.recv() if ours.poll(20) else "no answer"
        ours.close()
        process.join(20)
        if isinstance(found, str):
            errors.append(found)
        else:
            ids += found[0]
            billed += found[1]
    stop.set()
    for thread in threads:
        thread.join()
    return ids, billed, errors


def test_L3_forks_under_way_keep_the_books_right(store_path: str, sized: Sized) -> None:
    provider = simulated(0.001)
    with router_on(store_path, provider) as router:
        router.budgets.set("all", usd="50", per="total", on_exceeded="refuse")

        ids, billed, errors = forked_in_use(router, provider, MODEL, sized(50))

        books = audit(router)
    assert errors == []
    assert len(ids) == len(set(ids)) == books.calls
    assert books.spent == provider.billed.nanousd + billed
    assert (books.held, books.open_holds, books.findings) == (0, 0, [])


def test_L3_forks_under_way_share_no_connection(store_path: str, sized: Sized) -> None:
    script: list[Any] = [Pause(0.001), answer(completion(), b"Content-Type: application/json")]
    with ScriptedServer([script]) as server, router_on(store_path, local(server)) as router:
        router.budgets.set("all", usd="50", per="total", on_exceeded="refuse")

        ids, _, errors = forked_in_use(router, None, "local/m", sized(50))

        books = audit(router)
        bodies = {request.connection: request.line for request in server.requests}
    assert errors == []
    assert len(ids) == len(set(ids)) == books.calls == len(server.requests)
    # Each child dials anew: its first call finds the parent's connections, and leaves them alone.
    assert len(bodies) >= sized(50) + 1
    assert books.states == {"settled": len(ids)}
    assert (books.held, books.open_holds, books.findings) == (0, 0, [])
