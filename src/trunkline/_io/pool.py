"""Idle connections, the TLS context and what else all views of a router share.

Decides which connection serves an exchange; knows nothing of requests. Kept without a lock: list
and dict operations are atomic, so a KeyboardInterrupt or a finaliser finds nothing half-done.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, NoReturn, Protocol, TypeVar
from weakref import WeakKeyDictionary

from .body import BODY_CAP
from .requests import target_of

if TYPE_CHECKING:
    import ssl
    from collections.abc import Hashable

    from .requests import Target

KEEP_S = 5.0
"""Idle seconds after which a connection is not used again; servers close theirs soon after."""

REST_S = 0.02
"""Seconds that a connection rests after a streamed answer; see ``FreeList``."""

_PROOF_S = 1.0
"""Seconds after which a connection that is still open shows that its server did not hang up."""

_MOST_IDLE = 128


class Poolable(Protocol):
    """What a free list needs to know of a connection."""

    def is_usable(self) -> bool:
        """Whether it is still connected."""
        ...

    def discard(self) -> None:
        """Close it at once, from its own thread or loop."""
        ...


P = TypeVar("P", bound=Poolable)


class Idle(NamedTuple, Generic[P]):
    """A connection, since when it is idle, and whether its last answer was streamed."""

    since: float
    streamed: bool
    wire: P


class FreeList(Generic[P]):
    """Idle connections by origin, last in, first out.

    Some servers, llama.cpp among them, hang up a millisecond after each answer of unknown length
    without saying so. A request that crosses that FIN is lost, and may have to be paid for. So a
    connection rests after a streamed answer until its server had the time to hang up; a connection
    found open long after one shows that this origin keeps them, and then none rests.

    Attributes:
        guard: What clears the list at the end of its event loop, kept alive here.
        clients: Clients made for proxies, by the proxy's address; like the list of one loop.
    """

    def __init__(self, keep_s: float) -> None:
        self._keep_s = keep_s
        self.guard: Any = None
        self.clients: dict[str, Any] = {}
        self._idle: dict[Hashable, list[Idle[P]]] = {}
        self._patient: set[Hashable] = set()

    def take(self, origin: Hashable) -> P | None:
        """Return the newest connection that is still open and does not rest, or ``None``."""
        idle = self._idle.get(origin)
        if not idle:
            return None
        now = time.monotonic()
        for kept in idle[::-1]:
            if kept.streamed and now - kept.since < REST_S and origin not in self._patient:
                continue
            try:
                idle.remove(kept)
            except ValueError:  # another thread was faster
                continue
            if self._is_open(origin, kept, now) and now - kept.since < self._keep_s:
                return kept.wire
            kept.wire.discard()
        return None

    def put(self, origin: Hashable, wire: P, *, streamed: bool = False) -> None:
        """Keep a connection whose exchange ended cleanly.

        Args:
            origin: Where it leads.
            wire: The connection.
            streamed: Its answer did not say its length beforehand.
        """
        idle = self._idle.setdefault(origin, [])
        now = time.monotonic()
        idle.append(Idle(now, streamed, wire))
        # Those at the bottom are reached by no take() in quiet times, so they go here.
        with contextlib.suppress(IndexError):  # another thread was faster
            while len(idle) > _MOST_IDLE or (len(idle) > 1 and now - idle[0].since >= self._keep_s):
                oldest = idle.pop(0)
                self._is_open(origin, oldest, now)
                oldest.wire.discard()

    def _is_open(self, origin: Hashable, kept: Idle[P], now: float) -> bool:
        """Tell whether a connection is open, and learn from it whether its origin hangs up."""
        is_open = kept.wire.is_usable()
        is_proof = now - kept.since >= _PROOF_S
        if kept.streamed and is_open and is_proof:
            self._patient.add(origin)
        elif kept.streamed and not is_open and not is_proof:
            self._patient.discard(origin)
        return is_open

    def __len__(self) -> int:
        return sum(len(idle) for idle in self._idle.values())

    def clear(self) -> None:
        """Close all of them."""
        for idle in list(self._idle.values()):
            while idle:
                idle.pop().wire.discard()


class HttpPool:
    """What the views of one router share.

    Proxies that the environment names are honoured (``HTTPS_PROXY`` and so on, read once), through
    an httpx client made for each; ``.netrc``, cookies and system settings never are.

    Args:
        http_client: An httpx or httpx2 client that all exchanges go through, or those of the
            addresses that it was lent to; ours to use, not to close.
        body_cap: Most decoded bytes of a whole answer.
        keep_s: How long an idle connection is kept.
    """

    def __init__(
        self, http_client: Any = None, *, body_cap: int = BODY_CAP, keep_s: float = KEEP_S
    ) -> None:
        self.http_client = http_client
        self._lent_to: set[tuple[bytes, bytes, int]] | None = None
        self.body_cap = body_cap
        self.proxies: dict[str, str] | None = None
        self._keep_s = keep_s
        self._inherited: list[Any] = []
        self._start()

    def __reduce_ex__(self, _: Any) -> NoReturn:
        # Whatever holds it, a router first of all, is told at once and in words: the copying of its
        # parts would fail one by one and leave them half made.
        raise TypeError(
            "a router's connections are neither copied nor pickled: share the router, or take "
            "with_options() for a view; each process makes its own"
        )

    def __del__(self) -> None:
        # Of a router that nobody closed: its idle connections need no loop, no lock and no SQL.
        if getattr(self, "_pid", None) == os.getpid():
            self._blocking.clear()

    def lend_client_to(self, url: str) -> None:
        """Use the caller's client for this address, and from now on for none that was not named.

        What is set up in a client, such as cookies and ``auth=``, is meant for one endpoint.
        """
        self._lent_to = {*(self._lent_to or ()), target_of(url)[0][:3]}

    def client_of(self, target: Target) -> Any:
        """Return the caller's client, ``None`` where there is none for this address."""
        is_lent = self._lent_to is None or target[:3] in self._lent_to
        return self.http_client if is_lent else None

    def _start(self) -> None:
        self._pid = os.getpid()
        self._blocking: FreeList[Any] = FreeList(self._keep_s)
        self._by_loop: WeakKeyDictionary[Any, FreeList[Any]] = WeakKeyDictionary()

    def _check_fork(self) -> None:
        if self._pid != os.getpid():
            # The parent still talks on these sockets: never use, shut down or drop them.
            self._inherited.append((self._blocking, self._by_loop))
            self._start()

    def blocking(self) -> FreeList[Any]:
        """Return the idle connections of synchronous code."""
        self._check_fork()
        return self._blocking

    def of_loop(self, loop: Any) -> FreeList[Any]:
        """Return the idle connections of one event loop; they go when it goes."""
        self._check_fork()
        free = self._by_loop.get(loop)
        if free is None:
            self._forget_closed_loops()
            free = self._by_loop[loop] = FreeList(self._keep_s)
        return free

    def _forget_closed_loops(self) -> None:
        """Drop what belongs to loops that were closed without a word; they are not touched."""
        for loop in list(self._by_loop):
            if getattr(loop, "is_closed", bool)():
                self._by_loop.pop(loop, None)

    def tls(self) -> ssl.SSLContext:
        """Return the TLS context, made at the first use (28 ms); certificates are verified."""
        global _tls  # one per process
        if _tls is None:
            import httpx

            _tls = httpx.create_ssl_context()
        return _tls

    def close(self) -> None:
        """Close the idle connections of synchronous code; those of loops go with their loop."""
        free = self.blocking()
        free.clear()
        while free.clients:
            free.clients.popitem()[1].close()


_tls: ssl.SSLContext | None = None
