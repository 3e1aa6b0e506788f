"""``AsyncIO``: the effects of the core under asyncio and trio.

Connections belong to one event loop and go when it goes, so one object serves several
``asyncio.run``.
"""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING, Any, TypeVar

from .clients import AsyncClientWire, client_for
from .exchange import open_exchange
from .limits import Clock, LimitPassedError, limits_of
from .pool import HttpPool
from .scripted import open_scripted

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from trunkline.providers.base import HttpRequest, Invoke

    from .limits import Limits
    from .pool import FreeList
    from .protocol import ByteSource, Timeout, Transport
    from .requests import Target
    from .wires import Wire

T = TypeVar("T")


class AsyncIO:
    """IO that really awaits, on whichever loop it is called.

    Args:
        pool: Shared by the views of a router; its own when left out.
        clock: Where time comes from.
        http_client: An httpx or httpx2 ``AsyncClient``, when ``pool`` is left out.
    """

    def __init__(
        self, pool: HttpPool | None = None, *, clock: Clock | None = None, http_client: Any = None
    ) -> None:
        self.pool = HttpPool(http_client) if pool is None else pool
        self._clock = Clock() if clock is None else clock

    async def open(
        self,
        request: HttpRequest,
        *,
        timeout: Timeout,  # noqa: ASYNC109  # limits of the wire, kept here
        deadline: float | None,
        transport: Transport | None = None,
    ) -> ByteSource:
        """Send a request and wait for status and headers; see ``IO.open``."""
        limits = limits_of(timeout, deadline, self._clock)
        if transport is not None:
            return await open_scripted(transport(request), limits, self._invoke, self.sleep)
        return await open_exchange(request, limits, self.pool, self._free(), self._dial)

    def _free(self) -> FreeList[Any]:
        loop = _asyncio_loop() or _trio_token()
        free = self.pool.of_loop(loop)
        if free.guard is None:
            free.guard = _until_the_loop_ends(free)
            _start(free.guard)
        return free

    def _dial(self, target: Target, limits: Limits) -> Wire:
        client = client_for(self.pool, self._free(), target, is_async=True)
        if client is not None:
            return AsyncClientWire(client)
        import httpcore

        from .wires import AsyncWire

        tls = self.pool.tls() if target.scheme == b"https" else None
        return AsyncWire(httpcore.Origin(*target[:3]), tls, limits, _asyncio_loop())

    async def _invoke(self, step: Invoke, limits: Limits) -> Any:
        """Await the function, or run it in a thread, up to the deadline.

        The thread is abandoned at the deadline and on cancellation: Python cannot stop it, nobody
        wants its result any more, and waiting would hold the caller up for as long as it pleases.
        """
        import anyio

        left_s = limits.left(None)
        with anyio.move_on_after(left_s):
            if step.is_async:
                return await step.fn()
            return await anyio.to_thread.run_sync(step.fn, abandon_on_cancel=True)
        raise LimitPassedError

    async def sleep(self, seconds: float) -> None:
        """Suspend."""
        if self._clock.sleep is not None:
            self._clock.sleep(max(0.0, seconds))
        elif _asyncio_loop() is not None:
            await asyncio.sleep(seconds)
        else:
            import anyio

            await anyio.sleep(max(0.0, seconds))

    async def call(self, fn: Callable[[], T]) -> T:
        """Run one short synchronous step, without suspending."""
        return fn()

    async def hop(self, fn: Callable[[], T]) -> T:
        """Run a blocking function in a worker thread, to its end even when cancelled meanwhile.

        What it did (a commit) must be known before anything is cleaned up after it.
        """
        import anyio

        loop = _asyncio_loop()
        with anyio.CancelScope(shield=True):
            if loop is None:
                return await anyio.to_thread.run_sync(fn)
            return await _hop_asyncio(loop, fn)
        raise AssertionError  # pragma: no cover  # a shielded scope swallows nothing

    def now(self) -> float:
        """UTC epoch seconds."""
        return self._clock.now()

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        return self._clock.monotonic()

    async def close(self) -> None:
        """Close what is idle on this loop."""
        loop = _asyncio_loop() or _trio_token()
        await _clear(self.pool.of_loop(loop))  # without a guard: there is nothing to come


def _asyncio_loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop of the running asyncio task; ``None`` under trio, a guest's included."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return None
    return None if task is None else task.get_loop()


def _trio_token() -> Any:
    from trio.lowlevel import current_trio_token  # who runs under trio has it

    return current_trio_token()


async def _hop_asyncio(loop: asyncio.AbstractEventLoop, fn: Callable[[], T]) -> T:
    # anyio's shield does not stop task.cancel(), so that is kept until the function is through.
    future = loop.run_in_executor(None, contextvars.copy_context().run, fn)
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        future.exception()
        raise cancelled
    return future.result()


async def _until_the_loop_ends(free: FreeList[Any]) -> AsyncGenerator[None, None]:
    """Close the idle connections of a loop when it shuts its async generators down.

    ``asyncio.run`` and ``trio.run`` both do: the one sign of their end that needs no thread. A
    transport that outlives its loop cannot be closed any more.
    """
    try:
        yield
    finally:
        await _clear(free)
        free.guard = None  # it refers to the loop, which would never go


async def _clear(free: FreeList[Any]) -> None:
    free.clear()
    while free.clients:
        await free.clients.popitem()[1].aclose()


def _start(generator: AsyncGenerator[None, None]) -> None:
    """Run a generator to its first ``yield``, so that the loop knows of it."""
    step = generator.__anext__()
    try:
        step.send(None)
    except StopIteration:
        return
