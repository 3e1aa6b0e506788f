"""What the core may await. ``BlockingIO`` blocks and never suspends; ``AsyncIO`` really awaits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from trunkline.providers.base import Head, HttpRequest, Invoke, Wait

    Transport = Callable[[HttpRequest], Generator[Head | Wait | Invoke | bytes, Any, None]]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Timeout:
    """Limits of one attempt, in seconds; ``None`` is none."""

    connect_s: float | None = 5.0
    read_s: float | None = 600.0
    write_s: float | None = 600.0


class ByteSource(Protocol):
    """One open exchange: status and headers are here, the body is read piece by piece.

    Attributes:
        status: HTTP status.
        headers: Lower-case names.
        elapsed_extra_s: Simulated seconds that passed on top of the real ones.
    """

    status: int
    headers: Mapping[str, str]
    elapsed_extra_s: float

    async def read(self, *, idle_s: float | None = None) -> bytes:
        """Return the next decoded bytes, ``b""`` at the end; ``idle_s`` replaces the read timeout.

        Raises:
            APIConnectionError: Reset, early close, bad framing, bad gzip.
            APITimeoutError: Read timeout or the deadline.
            APIResponseValidationError: More decoded bytes than the cap.
        """
        ...

    async def close(self) -> None:
        """Release the connection: kept after a clean end, aborted otherwise; never slow."""
        ...

    def abort(self) -> None:
        """Cut the connection from anywhere, a finaliser included: no lock, no await."""
        ...


class IO(Protocol):
    """The effects of the core."""

    async def open(
        self,
        request: HttpRequest,
        *,
        timeout: Timeout,  # noqa: ASYNC109  # limits of the wire, kept by the IO object itself
        deadline: float | None,
        transport: Transport | None = None,
    ) -> ByteSource:
        """Send a request and wait for status and headers.

        Args:
            request: What to send.
            timeout: Limits of this attempt.
            deadline: Instant on ``monotonic()`` that nothing of this exchange passes, ``None`` for
                none.
            transport: Answers in place of a socket.

        Raises:
            APIConnectionError: ``sent=False`` if no byte can have left; a cancellation that cannot
                have let one out carries the same attribute.
            APITimeoutError: The same.
        """
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    async def call(self, fn: Callable[[], T]) -> T:
        """Run one short synchronous step, e.g. one try of a store call, without suspending."""
        ...

    async def hop(self, fn: Callable[[], T]) -> T:
        """Run a blocking function: in line, or in a worker thread under ``AsyncIO``."""
        ...

    def now(self) -> float:
        """UTC epoch seconds."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        ...
