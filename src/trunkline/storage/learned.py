"""Snapshots of learned state: a short cut past the log, never a source of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .connection import Connection

# An older state must not replace a newer one that another process saved meanwhile.
_SAVE = """INSERT INTO snapshot (name, event_id, version, state) VALUES (?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE
SET event_id = excluded.event_id, version = excluded.version, state = excluded.state
WHERE excluded.version > snapshot.version
OR (excluded.version = snapshot.version AND excluded.event_id > snapshot.event_id)"""
_LOAD = "SELECT event_id, version, state FROM snapshot WHERE name = ?"


class Snapshot(NamedTuple):
    """A learned state: the fold of the log up to ``event_id``, in the form ``version``."""

    event_id: int
    version: int
    state: bytes


def save_snapshot(
    connection: Connection, name: str, event_id: int, version: int, state: bytes
) -> None:
    """Keep ``state`` unless a newer one is there."""
    connection.execute(_SAVE, (name, event_id, version, state))


def load_snapshot(connection: Connection, name: str) -> Snapshot | None:
    """Return the newest snapshot of that name."""
    row = connection.execute(_LOAD, (name,)).fetchone()
    return None if row is None else Snapshot(row[0], row[1], row[2])
