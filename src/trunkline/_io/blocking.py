"""``BlockingIO``: the effects of the core for synchronous code; no event loop, no thread."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

from trunkline.errors import ConfigurationError

from .clients import ClientWire, client_for
from .exchange import open_exchange
from .limits import Clock, limits_of
from .pool import HttpPool
from .scripted import open_scripted

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from trunkline.providers.base import HttpRequest, Invoke

    from .limits import Limits
    from .protocol import ByteSource, Timeout, Transport
    from .requests import Target
    from .wires import Wire

T = TypeVar("T")


def run_to_completion(coro: Coroutine[Any, Any, T]) -> T:
    """Drive a coroutine that never suspends; the synchronous half of the library."""
    try:
        coro.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        coro.close()
    raise RuntimeError("the request core suspended under BlockingIO")


class BlockingIO:
    """IO whose methods block and never suspend; safe to share between threads.

    Args:
        pool: Shared by the views of a router; its own when left out.
        clock: Where time comes from.
        http_client: An httpx or httpx2 ``Client``, when ``pool`` is left out.
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
        return await open_exchange(request, limits, self.pool, self.pool.blocking(), self._dial)

    def _dial(self, target: Target, limits: Limits) -> Wire:
        client = client_for(self.pool, self.pool.blocking(), target, is_async=False)
        if client is not None:
            return ClientWire(client)
        import httpcore

        from .wires import BlockingWire

        tls = self.pool.tls() if target.scheme == b"https" else None
        return BlockingWire(httpcore.Origin(*target[:3]), tls, limits)

    async def _invoke(self, step: Invoke, limits: Limits) -> Any:  # noqa: ARG002  # cannot be cut
        if step.is_async:
            raise ConfigurationError(
                "this FunctionProvider has an async function: use AsyncRouter, or give it a "
                "plain function"
            )
        return step.fn()

    async def sleep(self, seconds: float) -> None:
        """Block."""
        (self._clock.sleep or time.sleep)(max(0.0, seconds))

    async def call(self, fn: Callable[[], T]) -> T:
        """Run one short synchronous step."""
        return fn()

    async def hop(self, fn: Callable[[], T]) -> T:
        """Run a blocking function, in line."""
        return fn()

    def now(self) -> float:
        """UTC epoch seconds."""
        return self._clock.now()

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        return self._clock.monotonic()

    def close(self) -> None:
        """Close what is idle."""
        self.pool.close()
