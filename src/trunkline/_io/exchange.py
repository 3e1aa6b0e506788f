"""One HTTP exchange, written once: send, read the body, give the connection back or cut it.

A connection goes back to the free list only after an exchange that ended cleanly; every other way
out, KeyboardInterrupt and cancellation included, closes it. Whether to try again is decided above,
but for a request of which no byte could leave because the reused connection was already dead.
"""

from __future__ import annotations

import contextlib
import zlib
from typing import TYPE_CHECKING, TypeVar

from trunkline.errors import APIConnectionError
from trunkline.providers.endpoint import keys_in

from .body import bad_gzip, cap_for, inflater_for, too_large
from .failures import connection_error, is_wire_failure
from .requests import message_of, read_headers, target_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence
    from typing import Any

    from trunkline.providers.base import HttpRequest
    from trunkline.types.secret import Secret

    from .limits import Limits
    from .pool import FreeList, HttpPool
    from .requests import Target
    from .wires import Answer, Wire

    Dial = Callable[[Target, Limits], Wire]

R = TypeVar("R")


async def open_exchange(
    request: HttpRequest, limits: Limits, pool: HttpPool, free: FreeList[Any], dial: Dial
) -> NetworkSource:
    """Send a request over a kept or new connection and wait for status and headers.

    Raises:
        APIConnectionError: ``sent=False`` if no byte can have left.
        APITimeoutError: The same.
    """
    limits.trusted = request.trusted
    target, path = target_of(request.url)
    message = message_of(request, target, path)
    key = target[:3]
    while True:
        wire: Wire | None = free.take(key)
        is_reused = wire is not None
        if wire is None:
            wire = dial(target, limits)
        try:
            answer = await wire.send(message, limits)
            keys = keys_in(dict(request.headers))
            cap = None if request.unread else pool.body_cap
            return NetworkSource(wire, answer, limits, target, free, cap, keys)
        except BaseException as error:
            wire.discard()
            if not isinstance(error, Exception) or not is_wire_failure(error):
                if not limits.sent:
                    # A call cancelled while it connects owes nothing, and only here is that known.
                    error.__dict__["sent"] = False
                raise
            failure = connection_error(error, target.place, limits)
        if not (is_reused and not limits.sent and not limits.is_past_deadline):
            raise failure from None


class NetworkSource:
    """The answer of one exchange.

    Attributes:
        status: HTTP status.
        headers: Lower-case names; the request's keys are cut out of what echoes them.
        elapsed_extra_s: Always 0 here: time on a wire is real.
        cap: Most decoded bytes, ``None`` for any number: the default for event streams and JSON
            lines, whose decoders cap each event.
    """

    elapsed_extra_s = 0.0

    def __init__(
        self,
        wire: Wire,
        answer: Answer,
        limits: Limits,
        target: Target,
        free: FreeList[Any],
        cap: int | None,
        keys: Sequence[Secret] = (),
    ) -> None:
        self._wire: Wire | None = wire
        self._limits = limits
        self._read_s = limits.read_s
        self._target = target
        self._free = free
        self._size = 0
        self._was_cut = False
        self.status = answer.status
        self.headers: Mapping[str, str] = read_headers(answer.headers, keys)
        if self.status < 200:
            raise APIConnectionError(f"{target.place} switched to another protocol")
        self.cap = cap_for(self.headers, cap)
        self._inflater = inflater_for(self.headers, target.place)

    async def read(self, *, idle_s: float | None = None) -> bytes:
        """Return the next decoded bytes, ``b""`` at the end; see ``ByteSource``."""
        self._limits.read_s = self._read_s if idle_s is None else idle_s
        try:
            piece = await self._next()
        except zlib.error:
            self._cut()
            raise bad_gzip(self._target.place) from None
        except BaseException as error:
            self._cut()
            if isinstance(error, Exception) and is_wire_failure(error):
                raise connection_error(error, self._target.place, self._limits) from None
            raise
        self._size += len(piece)
        if self.cap is not None and self._size > self.cap:
            self._cut()
            raise too_large(self.cap)
        return piece

    async def _next(self) -> bytes:
        inflater = self._inflater
        if inflater is None:
            return await self._receive()
        while True:
            if piece := inflater.next_piece():
                return piece
            raw = await self._receive()
            if not raw:
                if not inflater.is_complete:
                    raise bad_gzip(self._target.place)
                return b""
            inflater.feed(raw)

    async def _receive(self) -> bytes:
        wire = self._wire
        if wire is None:
            if self._was_cut:
                raise APIConnectionError(f"the answer of {self._target.place} was closed")
            return b""
        raw = await wire.receive()
        if not raw:
            keep = await wire.finish()
            self._wire = None
            if keep:
                streamed = "content-length" not in self.headers
                self._free.put(self._target[:3], wire, streamed=streamed)
            else:
                wire.discard()
        return raw

    async def close(self) -> None:
        """Release the connection: kept if its body has arrived whole, else cut. Never waits."""
        if self._wire is None:
            return
        # A client that stops at "[DONE]" leaves the end of the body unread, mostly in the same
        # packet: what is already here is looked at, so that the connection can be kept.
        self._limits.ready_only = True
        _run_at_once(self._drain())
        self._cut()

    async def _drain(self) -> None:
        for _ in range(4):  # no more: a server may send faster than we read
            if not await self._receive():
                return

    def _cut(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            self._was_cut = True
            wire.discard()

    def abort(self) -> None:
        """Cut the connection from anywhere."""
        wire, self._wire = self._wire, None
        if wire is not None:
            self._was_cut = True
            wire.abort()

    def __del__(self) -> None:
        wire: Wire | None = getattr(self, "_wire", None)
        if wire is not None:
            wire.drop()


def _run_at_once(coro: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine without a loop, past bare checkpoints, up to where it has to wait.

    No ``await`` here: inside a cancelled task or scope it would raise, and leave the connection.
    """
    # Whatever goes wrong, the connection is cut by the caller, and nobody reads on.
    with contextlib.suppress(Exception):
        for _ in range(8):
            if coro.send(None) is not None:
                break
    coro.close()
