"""The SQLite driver: opens a file as the store wants it, and tells BUSY from real faults.

Knows nothing of tables. The only importer of ``sqlite3`` beside ``database``.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import stat
from functools import cache
from typing import TYPE_CHECKING, Any

from trunkline.errors import StorageError

from ._places import refuse_network

if TYPE_CHECKING:
    from collections.abc import Callable

_logger = logging.getLogger("trunkline")
MEMORY = ":memory:"
WAL_LIMIT = 64 * 2**20
_FIXED_WAL_RESET = (3, 51, 3)
_BUSY_CODES = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
# What the same statement meets on every try, wherever the file lies.
_STATEMENT_CODES = frozenset(
    {
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_MISUSE,
        sqlite3.SQLITE_RANGE,
        sqlite3.SQLITE_TOOBIG,
    }
)


class SqliteConnection(sqlite3.Connection):
    """A connection in autocommit mode; ``database`` writes BEGIN and COMMIT itself."""

    dialect = "sqlite"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cache: dict[str, Any] = {}


def connect(
    path: str, *, durability: str, accept: Callable[[SqliteConnection], object]
) -> SqliteConnection:
    """Open ``path``; ``accept`` may refuse it before the first thing is changed in the file.

    Raises:
        StorageError: The file system cannot carry a write-ahead log.
        sqlite3.Error: Anything SQLite says, BUSY included.
    """
    connection = sqlite3.connect(
        path,
        timeout=0,
        isolation_level=None,
        check_same_thread=False,  # the database's own lock orders the threads
        cached_statements=256,
        factory=SqliteConnection,
    )
    try:
        accept(connection)
        mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        if path != MEMORY and mode != "wal":
            raise StorageError(  # noqa: TRY301  # closes the connection on its way
                f"the store {path} lies where SQLite's write-ahead log does not work"
                f" (journal mode {mode}); put it on a local disk"
            )
        connection.execute(
            "PRAGMA synchronous=FULL" if durability == "full" else "PRAGMA synchronous=NORMAL"
        )
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA mmap_size=0")
        # A log that was reset is cut to this, so that the next check finds it small again.
        connection.execute("PRAGMA journal_size_limit=33554432")
    except BaseException:
        connection.close()
        raise
    return connection


def prepare_file(path: str) -> None:
    """Make the folder (0700) and the empty file (0600), whatever the umask.

    SQLite gives the -wal and -shm files the mode of the file. An existing file is not opened here:
    closing it would drop the locks that SQLite holds on it in this process.

    Raises:
        StorageError: Others may write to the file, it belongs to another user, or the place is
            a network's.
        OSError: It cannot be made.
    """
    refuse_network(path)
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        os.makedirs(folder, mode=0o700, exist_ok=True)
        os.chmod(folder, 0o700)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        os.chmod(path, 0o600)
    except FileExistsError:
        _check_rights(path)


def _check_rights(path: str) -> None:
    found = os.stat(path)
    if found.st_mode & stat.S_IWOTH:
        raise StorageError(f"everyone may write to the store {path}; run: chmod 600 {path}")
    me = getattr(os, "geteuid", lambda: found.st_uid)()
    if me not in (0, found.st_uid):
        raise StorageError(f"the store {path} belongs to another user; choose a file of your own")


def identity(path: str) -> tuple[int, int] | None:
    """Return what tells a file from another one put in its place, ``None`` if there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def is_busy(error: sqlite3.Error) -> bool:
    """Whether trying again can help; extended codes carry the plain one in their low byte."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _BUSY_CODES


def is_of_the_store(error: Exception) -> bool:
    """Whether SQLite failed for the file, the disk or the moment, so that a later try may succeed.

    An error without a code is the driver's own, about what it was given.
    """
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF not in _STATEMENT_CODES


def keep_log_small(connection: SqliteConnection, path: str) -> bool:
    """Restart a write-ahead log above 64 MiB; whether it is small now.

    Never waits: where other writers or readers are in the way, the next write tries again. Among
    sixteen writers without pause one try in a few hundred succeeds, and that is enough.
    """
    try:
        if os.stat(f"{path}-wal").st_size <= WAL_LIMIT:
            return True
        is_busy = connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()[0]
    except (OSError, sqlite3.Error):
        return False
    return not is_busy


@cache
def warn_of_race() -> None:
    """Say once per process that another one has the store open, where SQLite is older than safe."""
    note = sqlite_version_note()
    if note is not None:
        _logger.warning("another process has the store open, and %s", note)


def sqlite_version_note() -> str | None:
    """Say what is wrong with the linked SQLite, ``None`` for nothing."""
    if sqlite3.sqlite_version_info >= _FIXED_WAL_RESET:
        return None
    return (
        f"SQLite {sqlite3.sqlite_version} is older than 3.51.3: several processes on one store may"
        " very rarely meet its WAL-reset race (unless your distribution back-ported the fix)"
    )
