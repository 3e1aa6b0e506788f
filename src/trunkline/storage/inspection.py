"""Look into a store without touching it: what ``trunkline doctor`` asks.

Opens the file read-only, so nothing is made, migrated or checkpointed, least of all in a file that
is damaged. Does not decide what to do about what it finds.
"""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trunkline.errors import StorageError

from . import check, holds, migrations, owner
from ._sqlite import SqliteConnection, is_busy, sqlite_version_note

if TYPE_CHECKING:
    from .holds import Hold

__all__ = ["SQLITE_VERSION", "Inspection", "inspect", "sqlite_version_note"]

SQLITE_VERSION = sqlite3.sqlite_version


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What a store holds and whether it adds up.

    Attributes:
        schema: Its number, 0 for an empty file.
        known_schema: The number this trunkline writes.
        findings: What is wrong with pages or totals, in words; empty is good.
        open_holds: Calls under way, or left behind by a process that died.
        held_nanousd: What they set aside.
        left_behind: Those whose owner is gone or whose lease is over; the next call ends them.
    """

    schema: int
    known_schema: int
    findings: tuple[str, ...]
    open_holds: int
    held_nanousd: int
    left_behind: int


def inspect(path: str, now: float) -> Inspection:
    """Read every row of the store at ``path``.

    Raises:
        StorageError: It cannot be read: no database, damaged, another program's, a newer schema,
            or locked.
    """
    try:
        connection = _open(path)
        try:
            connection.execute("BEGIN")
            return _read(connection, path, now)
        finally:
            connection.close()
    except sqlite3.Error as error:
        what = getattr(error, "sqlite_errorname", type(error).__name__)
        hint = "; another program has it locked" if is_busy(error) else ""
        raise StorageError(f"{path} cannot be read: {error} ({what}){hint}") from error


def _open(path: str) -> SqliteConnection:
    # Without a log nobody has it open, and only "immutable" keeps SQLite from making one.
    mode = "mode=ro" if os.path.exists(f"{path}-wal") else "immutable=1"
    return sqlite3.connect(
        f"{Path(path).absolute().as_uri()}?{mode}",
        uri=True,
        timeout=1,
        isolation_level=None,
        factory=SqliteConnection,
    )


def _read(connection: SqliteConnection, path: str, now: float) -> Inspection:
    schema = migrations.version_of(connection, path)
    known = len(migrations.MIGRATIONS)
    if schema < known:
        # The checks read the newest tables; the next Router brings an older store up to date.
        return Inspection(
            schema=schema,
            known_schema=known,
            findings=(),
            open_holds=0,
            held_nanousd=0,
            left_behind=0,
        )
    found = holds.open_ones(connection)
    return Inspection(
        schema=schema,
        known_schema=known,
        findings=tuple(check.findings(connection)),
        open_holds=len(found),
        held_nanousd=sum(hold.amount for hold in found),
        left_behind=sum(_is_left_behind(hold, now) for hold in found),
    )


def _is_left_behind(hold: Hold, now: float) -> bool:
    return hold.expires_at <= now or owner.is_dead(hold.owner)
