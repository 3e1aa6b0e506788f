"""S11: KeyboardInterrupt at every kind of moment of a synchronous call."""

from __future__ import annotations

import contextlib
import gc
import itertools
import multiprocessing
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.crash.scene import (
    MODEL,
    asking,
    audit,
    completion,
    events,
    local,
    router_on,
    simulated,
)
from tests.support.server import ScriptedServer, answer, chunked

from trunkline import _retries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from trunkline import Router
    from trunkline.providers import SimulatedProvider
    from trunkline.providers.base import HttpRequest

    from .conftest import Sized


class Interrupter:
    """Raises KeyboardInterrupt at the n-th call or return, where CPython itself would.

    The interpreter looks for signals when a function begins and when a call has returned; a
    profile function that raises lands on exactly these moments.
    """

    def __init__(self, at: int) -> None:
        self.at = at
        self.seen = 0

    def __enter__(self) -> Interrupter:
        sys.setprofile(self._step)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _step(self, frame: FrameType, event: str, argument: Any) -> None:
        if event not in ("call", "c_return") or frame.f_code is Interrupter.__exit__.__code__:
            return
        self.seen += 1
        if self.seen == self.at:
            sys.setprofile(None)
            raise KeyboardInterrupt


class BreaksFirst:
    """Breaks off the first exchange after the request was sent: billed or not, nobody knows."""

    def __init__(self, inner: SimulatedProvider) -> None:
        self.inner = inner
        self.breaks = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def transport(self, request: HttpRequest) -> Iterator[Any]:
        if self.breaks:
            self.breaks = False
            raise ConnectionResetError
        yield from self.inner.transport(request)


def moments(call: Callable[[], object]) -> int:
    """Count the moments of one call."""
    with Interrupter(0) as counter:
        call()
    return counter.seen


def plain(router: Router, model: str) -> None:
    router.chat.completions.create(**{**asking(3), "model": model})


def streamed(router: Router, model: str) -> None:
    with router.chat.completions.create(**{**asking(3), "model": model}, stream=True) as stream:
        for _ in stream:
            pass


def closed_early(router: Router, model: str) -> None:
    with router.chat.completions.create(**{**asking(3), "model": model}, stream=True) as stream:
        next(stream)


@contextlib.contextmanager
def quiet_finalisers() -> Iterator[None]:
    """An interrupt that lands in a finaliser is reported and dropped by Python: not ours to see."""
    known, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        yield
    finally:
        sys.unraisablehook = known


def interrupted_everywhere(router: Router, once: Callable[[], object], tries: int) -> int:
    """Interrupt ``once`` at ``tries`` moments spread over it; return how many got through."""
    once()
    once()
    total = moments(once)
    caught = 0
    step = max(1, total // tries)
    for at in itertools.islice(range(1, total + 1, step), tries):
        with quiet_finalisers():
            try:
                with Interrupter(at):
                    once()
            except KeyboardInterrupt:
                caught += 1
            gc.collect(0)
        once()
        assert len(router.budgets.holds()) == 0, f"held after an interrupt at {at} of {total}"
    return caught


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore:coroutine:RuntimeWarning")
@pytest.mark.parametrize("call", [plain, streamed, closed_early])
def test_S11_an_interrupted_call_holds_nothing(
    store_path: str, call: Callable[[Router, str], None], sized: Sized
) -> None:
    tries = sized(1000)
    provider = simulated(0)
    with router_on(store_path, provider) as router:
        router.budgets.set("all", usd="50", per="total", on_exceeded="refuse")

        caught = interrupted_everywhere(router, lambda: call(router, MODEL), tries)

        books = audit(router)
    assert caught >= tries * 0.9
    assert (books.held, books.open_holds, books.findings) == (0, 0, [])
    assert books.spent >= provider.billed.nanousd


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore:coroutine:RuntimeWarning")
@pytest.mark.parametrize("call", [plain, streamed, closed_early])
def test_S11_an_interrupted_exchange_leaves_no_connection(
    store_path: str, call: Callable[[Router, str], None], sized: Sized
) -> None:
    tries = sized(500)
    body = completion()
    whole = chunked(*events("all ", "of it"), headers=[b"Content-Type: text/event-stream"])
    script = whole if call is not plain else answer(body, b"Content-Type: application/json")
    with ScriptedServer([[script]]) as server, router_on(store_path, local(server)) as router:
        router.budgets.set("all", usd="50", per="total", on_exceeded="refuse")

        caught = interrupted_everywhere(router, lambda: call(router, "local/m"), tries)

        gc.collect()
        books = audit(router)
        router.close()
        assert server.wait_closed()
    assert caught >= tries * 0.9
    assert (books.held, books.open_holds, books.findings) == (0, 0, [])


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore:coroutine:RuntimeWarning")
def test_S11_an_interrupt_between_two_attempts_leaves_neither_held(
    store_path: str, sized: Sized, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_retries, "FIRST_WAIT_S", 0.0)
    provider = BreaksFirst(simulated(0))
    with router_on(store_path, provider) as router:
        router.budgets.set("all", usd="50", per="total", on_exceeded="refuse")

        def once() -> None:
            provider.breaks = True
            answer = router.chat.completions.create(**asking(3))
            assert [a.state for a in answer.routing.attempts] == ["estimated", "settled"]

        caught = interrupted_everywhere(router, once, sized(1000))

        books = audit(router)
    assert caught >= sized(1000) * 0.9
    assert (books.held, books.open_holds, books.findings) == (0, 0, [])
    assert set(books.states) == {"settled", "estimated", "voided"}
    assert books.spent >= provider.inner.billed.nanousd


def signalled(store_path: str, rounds: int, told: Any) -> None:
    """Interrupt ``rounds`` calls by real signals, in a process that no tracer watches.

    A tracer's own code is interrupted like ours, and coverage's holds a lock at that moment.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, interrupt)
    caught = 0
    with quiet_finalisers(), router_on(store_path, simulated(0)) as router:
        router.budgets.set("all", usd="50", per="total", on_exceeded="refuse")
        plain(router, MODEL)
        for number in range(rounds):
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.00002 + (number * 37 % 100) * 0.00001)
                plain(router, MODEL)
                signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                caught += 1
        signal.setitimer(signal.ITIMER_REAL, 0)
        plain(router, MODEL)
        books = audit(router)
    told.send((caught, books.held, books.open_holds, books.findings))


def test_S11_real_signals_leave_nothing_held(store_path: str, sized: Sized) -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=signalled, args=(store_path, sized(1000), theirs))
    process.start()
    theirs.close()

    assert ours.poll(240), "the interrupted process gave no answer"
    caught, *books = ours.recv()

    ours.close()
    process.join()
    assert caught > sized(1000) // 4
    assert books == [0, 0, []]
