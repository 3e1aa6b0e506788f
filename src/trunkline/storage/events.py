"""The event log: one sequence of decisions, outcomes, feedback, administration and constants.

Rows are only appended; their ids are given inside the committing transaction, so the fold of rows
in id order is the same in every process.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

from pydantic_core import from_json, to_json

from trunkline.errors import StorageError

from .records import EventRow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .connection import Connection
    from .records import EventKind

_logger = logging.getLogger("trunkline")
# A clock behind the newest row is taken as that row's time: times never go back along the ids.
_APPEND = """INSERT INTO event (call_id, kind, at, x, body) VALUES (?, ?, coalesce((
SELECT CASE WHEN at > ? THEN at END FROM (SELECT at FROM event ORDER BY id DESC LIMIT 1) AS newest
), ?), ?, ?) RETURNING id"""
_AFTER = "SELECT id, call_id, kind, at, x, body FROM event WHERE id > ? ORDER BY id LIMIT ?"
_OF_CALL = """SELECT id, call_id, kind, at, x, body FROM event
WHERE call_id = ? AND kind = ? ORDER BY id"""
_WRITTEN = "written events"
_KEPT = 64
_LATEST = "SELECT coalesce(max(id), 0) FROM event"


def append(
    connection: Connection,
    kind: EventKind,
    call_id: str,
    at: float,
    x: bytes | None,
    body: Mapping[str, Any],
) -> int:
    """Write one row and return its id; ``call_id`` is ``""`` where no call is concerned.

    ``at`` is raised to the newest row's where the clock is behind it.
    """
    text = to_json(body).decode()
    row = connection.execute(_APPEND, (call_id, kind, at, at, x, text)).fetchone()
    event_id = int(row[0])
    written: dict[int, Mapping[str, Any]] = connection.cache.setdefault(_WRITTEN, {})
    if len(written) >= _KEPT:
        written.clear()
    written[event_id] = body
    return event_id


def read_after(connection: Connection, cursor: int, limit: int) -> list[EventRow]:
    """Return at most ``limit`` rows with ids above ``cursor``, in order.

    A row that this connection wrote itself is not parsed again: its body is the one that was
    written, once, and the reader's from then on. A body that is damaged comes as an empty one: it
    must not hide the rows after it.
    """
    written: dict[int, Any] = connection.cache.get(_WRITTEN, {})
    return [_row(row, written) for row in connection.execute(_AFTER, (cursor, limit))]


def of_call(connection: Connection, call_id: str, kind: EventKind) -> list[EventRow]:
    """Return one call's rows of one kind, in order.

    Raises:
        StorageError: One of them is damaged.
    """
    return [_own(row, kind) for row in connection.execute(_OF_CALL, (call_id, kind))]


def decision_of(connection: Connection, call_id: str) -> EventRow | None:
    """Return the call's decision, ``None`` for an unknown or refused call."""
    rows = of_call(connection, call_id, "decision")
    return rows[0] if rows else None


def outcomes_of(connection: Connection, call_id: str) -> list[EventRow]:
    """Return the endings of the call's attempts, in order; a late settle adds one."""
    return of_call(connection, call_id, "outcome")


def latest_id(connection: Connection) -> int:
    """Return the id of the newest row, 0 for an empty log."""
    return int(connection.execute(_LATEST).fetchone()[0])


def _row(row: tuple[Any, ...], written: dict[int, Any]) -> EventRow:
    body = written.pop(row[0], None) if written else None
    if body is None and (body := _parsed(row[5])) is None:
        _logger.warning("event %d is damaged and was passed over", row[0])
    return EventRow(row[0], row[1], row[2], row[3], row[4], body or {})


def _own(row: tuple[Any, ...], kind: str) -> EventRow:
    if (body := _parsed(row[5])) is None:
        raise StorageError(f"the {kind} of call {row[1]} is damaged in the store (event {row[0]})")
    return EventRow(row[0], row[1], row[2], row[3], row[4], body)


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        body: object = from_json(text)
    except ValueError:
        return None
    return cast("dict[str, Any]", body) if isinstance(body, dict) else None
