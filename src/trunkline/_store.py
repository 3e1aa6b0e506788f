"""How the core calls the store: jittered tries, and clean-up that must not wait.

Each try is one short synchronous transaction. Nothing is awaited and no thread is used while it is
open, so cancellation arrives between tries only.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any, TypeVar

from trunkline.errors import StorageError
from trunkline.storage.database import Busy

if TYPE_CHECKING:
    from collections.abc import Callable

    from trunkline._io.protocol import IO
    from trunkline.storage.connection import Connection
    from trunkline.storage.database import Database

T = TypeVar("T")

PATIENCE_S = 5.0
CLEAN_UP_PATIENCE_S = 0.05


async def write(io: IO, database: Database, fn: Callable[[Connection], T]) -> T:
    """Run ``fn`` in one committed transaction, waiting for others for up to 5 s.

    Raises:
        StorageError: The store stayed busy, or cannot be written; nothing was committed.
    """
    return await _tries(io, database, lambda: database.write(fn))


async def read(io: IO, database: Database, fn: Callable[[Connection], T]) -> T:
    """Run ``fn`` in one read transaction; waits and raises like ``write``."""
    return await _tries(io, database, lambda: database.read(fn))


async def _tries(io: IO, database: Database, once: Callable[[], T]) -> T:
    # Full durability waits for the disk, which is too long to block an event loop for.
    step = io.hop if database.durability == "full" else io.call
    give_up_at: float | None = None
    while True:
        try:
            return await step(once)
        except Busy:
            now = io.monotonic()
            give_up_at = give_up_at or now + PATIENCE_S
            if now >= give_up_at:
                raise StorageError(
                    f"the store {database.path} stayed locked for {PATIENCE_S:g} s; "
                    "see which process holds it, or try again"
                ) from None
            await io.sleep(random.uniform(0.0005, 0.02))  # noqa: S311  # jitter, no secret


def write_now(database: Database, fn: Callable[[Connection], Any]) -> Any:
    """Clean up without awaiting: try for 50 ms, then leave it to the next store call.

    For the way out of a cancelled or interrupted call, where any await would be cancelled again. A
    store that cannot be written is no reason to hide why the call failed, so that waits too.
    """
    give_up_at = time.monotonic() + CLEAN_UP_PATIENCE_S
    while True:
        try:
            return database.write(fn)
        except StorageError:
            break
        except Busy:
            if time.monotonic() >= give_up_at:
                break
            time.sleep(0.001)
    database.defer(fn)
    return None
