"""One store call: one try, one transaction, no wait, no thread, safe against fork and interrupt.

Decides how a transaction begins and ends and what its failure is called; not what is in it. Waiting
and trying again is the caller's, between tries, where cancellation may arrive.
"""

from __future__ import annotations

import atexit
import ctypes
import logging
import os
import sqlite3
import time
import weakref
from collections import deque
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar

from trunkline.errors import ConfigurationError, StorageError

from . import _sqlite, check, migrations
from ._sqlite import MEMORY, SqliteConnection
from .connection import Connection as Connection

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
_logger = logging.getLogger("trunkline")
_FORK_WAIT_S = 5.0  # a store call of another thread lasts well under this
_CLOSE_TRIES = 200
_WAL_CHECK_EVERY = 64


class Busy(Exception):  # noqa: N818  # a state of the store, not an error: the caller tries again
    """One try met a taken lock or SQLITE_BUSY."""


class _Process:
    """What belongs to one process and must not cross a fork."""

    __slots__ = ("active", "connection", "deferred", "identity", "lock", "pid", "writes")

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.lock = RLock()
        self.active = False  # a store call is further up this thread's stack
        self.connection: SqliteConnection | None = None
        self.identity: tuple[int, int] | None = None
        self.deferred: deque[Callable[[Connection], object]] = deque()
        self.writes = 0


class Database:
    """The store's file, opened at first use.

    Args:
        target: Path, or ``":memory:"``.
        durability: ``"normal"`` loses nothing to a killed process; ``"full"`` nothing to a power
            cut either, at one fsync per commit.

    Attributes:
        openings: How often the file was opened, so that one can tell whether it was again.

    Raises:
        ConfigurationError: Another durability, or a URL.
    """

    def __init__(self, target: str, *, durability: str = "normal") -> None:
        if durability not in ("normal", "full"):
            raise ConfigurationError(f'durability={durability!r} must be "normal" or "full"')
        if "://" in target:
            raise ConfigurationError(f"store={target!r} must be a path or {MEMORY!r}")
        self.path = target if target == MEMORY else os.path.abspath(os.path.expanduser(target))
        self._durability = durability
        self._mine = _Process()
        self.openings = 0
        self._is_stranded = False
        self._is_quiet = True  # no thread was in the store when the process was forked
        _remember(self)

    @property
    def durability(self) -> str:
        """``"normal"`` or ``"full"``; the latter waits for the disk."""
        return self._durability

    def write(self, fn: Callable[[Connection], T]) -> T:
        """Run ``fn`` in one write transaction and commit it; one try.

        Raises:
            Busy: Another thread or process is at it, or a call further up this thread's stack.
            StorageError: The file cannot be read or written; the message names it.
        """
        return self._try("BEGIN IMMEDIATE", fn)

    def read(self, fn: Callable[[Connection], T]) -> T:
        """Run ``fn`` on one consistent view; one try. Raises as ``write``."""
        return self._try("BEGIN", fn)

    def defer(self, fn: Callable[[Connection], object]) -> None:
        """Leave ``fn`` to the next write, ``close`` or exit; for finalisers: no lock, no SQL."""
        self._mine.deferred.append(fn)

    def check(self) -> list[str]:
        """Return what is wrong with the file or its totals; one try, reads every row."""
        return self.read(check.findings)

    def close(self) -> None:
        """Run what was deferred and close the file; a later call would open it again."""
        mine = self._mine
        if mine.pid != os.getpid():
            return
        for _ in range(_CLOSE_TRIES):
            try:
                if mine.deferred:
                    self.write(_nothing)
                self._release(mine)
            except Busy:
                time.sleep(0.005)
            except StorageError:
                _logger.warning("deferred settlements were not written to %s", self.path)
                mine.deferred.clear()
            else:
                return

    def _release(self, mine: _Process) -> None:
        if not mine.lock.acquire(blocking=False):
            raise Busy
        try:
            if mine.active:
                raise Busy
            self._drop(mine)
        finally:
            mine.lock.release()

    def _try(self, begin: str, fn: Callable[[Connection], T]) -> T:
        mine = self._mine
        if mine.pid != os.getpid():
            self.after_fork_in_child()
            mine = self._mine
        entered = False
        try:
            # Inside the try: an interrupt that arrives right after the acquire is released below.
            if not mine.lock.acquire(blocking=False):
                raise Busy("another thread is in the store")
            if mine.active:
                raise Busy("this thread is in the store already")
            mine.active = entered = True
            return self._transact(mine, begin, fn)
        except sqlite3.Error as error:
            if _sqlite.is_busy(error):
                raise Busy(str(error)) from None
            raise self._fault(mine, error) from error
        except OSError as error:
            raise self._fault(mine, error) from error
        finally:
            if entered:
                mine.active = False
            try:  # noqa: SIM105  # no Python call may come before the release: interrupts land there
                mine.lock.release()
            except RuntimeError:
                pass  # never acquired: another thread's

    def _transact(self, mine: _Process, begin: str, fn: Callable[[Connection], T]) -> T:
        connection = self._connected(mine)
        begun = False
        try:
            connection.execute(begin)
            begun = True
            due = len(mine.deferred) if begin == "BEGIN IMMEDIATE" else 0
            if due:
                self._drain(connection, mine, due)
            result = fn(connection)
            connection.execute("COMMIT")
        except BaseException:
            if begun:
                connection.cache.clear()
            if connection.in_transaction:
                connection.rollback()
            raise
        for _ in range(due):
            mine.deferred.popleft()
        mine.writes += 1
        is_due = mine.writes >= _WAL_CHECK_EVERY and self.path != MEMORY
        # Once the log is too large, every write tries, until one finds nobody in the way.
        if is_due and _sqlite.keep_log_small(connection, self.path):
            mine.writes = 0
        return result

    def _drain(self, connection: SqliteConnection, mine: _Process, due: int) -> None:
        """Run the first ``due`` deferred steps; they leave the deque only after the commit."""
        for step in [mine.deferred[i] for i in range(due)]:
            connection.execute("SAVEPOINT deferred")
            try:
                step(connection)
            except Exception as error:  # a broken step must not stop the calls after it
                if _sqlite.is_of_the_store(error) or not connection.in_transaction:
                    raise  # of the disk or the moment, not of the step: it stays the next one
                # What it would have ended is ended by its lease, at what it holds.
                _logger.exception("a deferred settlement failed and was dropped")
                connection.cache.clear()
                connection.execute("ROLLBACK TO deferred")
            connection.execute("RELEASE deferred")

    def _connected(self, mine: _Process) -> SqliteConnection:
        """Return the open connection, opened or opened again where the file was exchanged."""
        connection = mine.connection
        if connection is not None and self._was_moved(mine):
            self._drop(mine)
            connection = None
        if connection is None:
            return self._open(mine)
        if connection.in_transaction:  # left over from an interrupted call
            connection.cache.clear()
            connection.rollback()
        return connection

    def _was_moved(self, mine: _Process) -> bool:
        return self.path != MEMORY and _sqlite.identity(self.path) != mine.identity

    def _open(self, mine: _Process) -> SqliteConnection:
        if self._is_stranded:
            raise StorageError(
                f"the store {self.path} was open when this process was forked and cannot be opened"
                " here again; make the Router after the fork, or give it a path"
            )
        if self.path != MEMORY:
            if self.openings and _sqlite.identity(self.path) is None:
                raise StorageError(
                    f"the store {self.path} was deleted while in use; put it back, or make a new"
                    " Router to begin an empty one"
                )
            _sqlite.prepare_file(self.path)
        connection = _sqlite.connect(
            self.path, durability=self._durability, accept=self._check_schema
        )
        try:
            migrations.migrate(connection, self.path)
            mine.identity = _sqlite.identity(self.path)
        except BaseException:
            connection.close()
            raise
        mine.connection = connection
        self.openings += 1
        return connection

    def _check_schema(self, connection: SqliteConnection) -> None:
        migrations.version_of(connection, self.path)

    def _fault(self, mine: _Process, error: Exception) -> StorageError:
        """Name the file and what failed, and close it: the next call opens it afresh."""
        self._drop(mine)
        what = getattr(error, "sqlite_errorname", type(error).__name__)
        return StorageError(
            f"the store {self.path} could not be used: {error} ({what});"
            " nothing was changed in it, `trunkline doctor` says more"
        )

    def _drop(self, mine: _Process) -> None:
        connection, mine.connection = mine.connection, None
        if connection is not None:
            connection.close()

    def before_fork(self) -> None:
        """Close the file, so that a child inherits no open handle; keep other threads out.

        SQLite remembers per process which locks it holds. A child that inherits that memory without
        the locks would open the file "locked already", and the parent's close could then delete the
        log under the child's commits.
        """
        mine = self._mine
        self._is_quiet = mine.lock.acquire(timeout=_FORK_WAIT_S)
        if self._is_quiet and not mine.active and self.path != MEMORY:
            self._drop(mine)

    def after_fork_in_parent(self) -> None:
        """Let the threads in again; the next call opens the file."""
        if self._is_quiet:
            self._mine.lock.release()
        else:
            _logger.warning("forked while another thread was in the store %s", self.path)

    def after_fork_in_child(self) -> None:
        """Start afresh; a handle that could not be closed before the fork is kept for ever."""
        stale = self._mine.connection
        self._mine = _Process()
        if not self._is_quiet:
            # A thread that is not here was inside SQLite, whose own locks it took along.
            self._is_stranded = self.path != MEMORY
        if stale is not None:
            self._is_stranded = True
            # Not even the interpreter's end may close it: that would act on the parent's locks.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(stale))


def _nothing(_: Connection) -> None:
    """Commit nothing but what was deferred."""


_live: dict[int, weakref.ref[Database]] = {}


def _remember(database: Database) -> None:
    key = id(database)
    _live[key] = weakref.ref(database, lambda _: _live.pop(key, None))


def _each(step: Callable[[Database], Any]) -> None:
    for reference in list(_live.values()):
        if (database := reference()) is not None:
            step(database)


@atexit.register
def _close_all() -> None:
    _each(Database.close)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=lambda: _each(Database.before_fork),
        after_in_parent=lambda: _each(Database.after_fork_in_parent),
        after_in_child=lambda: _each(Database.after_fork_in_child),
    )
