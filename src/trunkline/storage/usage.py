"""What was used: sums over the roll-ups, single attempts from the holds, and plain counters."""

from __future__ import annotations

from json import loads
from typing import TYPE_CHECKING, Any, NamedTuple

from trunkline.errors import ConfigurationError

from .rollups import BUCKET_S, bucket_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .connection import Connection

_COLUMNS = {"team": "team_id", "user": "user_id", "provider": "provider", "model": "model"}
_SUMS = (
    "calls",
    "attempts",
    "errors",
    "prompt_tokens",
    "completion_tokens",
    "cached_tokens",
    "reasoning_tokens",
    "cost",
    "estimated",
    "duration_s",
)
_FIGURES = tuple(f"{name}_nanousd" if name in ("cost", "estimated") else name for name in _SUMS)
_SUMMARY = f"""SELECT team_id, user_id, provider, model, tags,
{", ".join(f"sum({name})" for name in _SUMS)} FROM rollup WHERE bucket >= ? AND bucket < ?
GROUP BY team_id, user_id, provider, model, tags"""  # noqa: S608  # constants
# UUIDv7 sorts by time, so the primary key serves as the index.
_RECORDS = """SELECT call_id, attempt, at, team_id, user_id, tags, provider, model, state, ok,
prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens, cost, amount, duration_s,
ended_at FROM hold WHERE state <> 'reserved' AND at >= ? AND at < ?"""
_NEWEST = " ORDER BY call_id DESC, attempt DESC LIMIT ?"
_FILTERS = {**{name: f" AND {column} = ?" for name, column in _COLUMNS.items()}}
_FILTERS["state"] = " AND state = ?"
_FILTERS["call_id"] = " AND call_id = ?"
_COUNT = """INSERT INTO counter (name, value) VALUES (?, ?)
ON CONFLICT (name) DO UPDATE SET value = counter.value + excluded.value"""
_COUNTERS = "SELECT name, value FROM counter WHERE name <> 'budgets'"
_FOR_EVER = 2**60


class UsageRecord(NamedTuple):
    """One attempt that has ended; money in nano-dollars, ``at`` its call's reserve time."""

    call_id: str
    attempt: int
    at: float
    team: str | None
    user: str | None
    tags: dict[str, str]
    provider: str
    model: str
    state: str
    ok: bool
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    cost_nanousd: int
    held_nanousd: int
    duration_s: float
    ended_at: float


def summary(
    connection: Connection,
    by: Sequence[str] = (),
    since: float | None = None,
    until: float | None = None,
) -> list[dict[str, Any]]:
    """Sum usage by any of ``team user provider model tag:KEY``, most expensive first.

    Each row has the keys of ``by`` (``None`` for no team, user or tag), calls, attempts, errors,
    four kinds of tokens, ``cost_nanousd``, ``estimated_nanousd`` (the part charged by rule) and
    ``duration_s``. Times are taken to whole quarters of an hour.

    Raises:
        ConfigurationError: A key that is none.
    """
    for name in by:
        if name not in _COLUMNS and not name.removeprefix("tag:"):
            raise ConfigurationError("by='tag:' needs a key")
        if name not in _COLUMNS and not name.startswith("tag:"):
            raise ConfigurationError(f"by={name!r} must be one of {', '.join(_COLUMNS)}, tag:KEY")
    totals: dict[tuple[str | None, ...], list[Any]] = {}
    for row in connection.execute(_SUMMARY, _buckets(since, until)):
        dims: dict[str, str] = dict(zip(_COLUMNS, row[:4], strict=True))
        tags: dict[str, str] = loads(row[4])
        key = tuple(dims[n] or None if n in dims else tags.get(n.removeprefix("tag:")) for n in by)
        total = totals.setdefault(key, [0] * len(_SUMS))
        for i, value in enumerate(row[5:]):
            total[i] += value
    rows = [_summary_row(by, key, total) for key, total in totals.items()]
    return sorted(rows, key=lambda row: (-row["cost_nanousd"], str(row)))


def records(
    connection: Connection,
    since: float | None = None,
    until: float | None = None,
    limit: int = 100,
    filters: Mapping[str, str] | None = None,
) -> list[UsageRecord]:
    """Return ended attempts, newest first.

    Args:
        connection: An open transaction.
        since: From this time on, UTC epoch seconds.
        until: Before this time.
        limit: At most so many.
        filters: Exact values of any of ``team user provider model state call_id``.

    Raises:
        ConfigurationError: A filter that is none.
    """
    sql, parameters = _RECORDS, [since or 0.0, _FOR_EVER if until is None else until]
    values: list[Any] = [*parameters]
    for name, value in (filters or {}).items():
        if name not in _FILTERS:
            raise ConfigurationError(f"filter {name!r} must be one of {', '.join(_FILTERS)}")
        sql += _FILTERS[name]
        values.append(value)
    return [_record(row) for row in connection.execute(sql + _NEWEST, (*values, limit))]


def count(connection: Connection, name: str, by: int = 1) -> None:
    """Add to a counter, e.g. of refusals, which have no row of their own."""
    connection.execute(_COUNT, (name, by))


def counters(connection: Connection) -> dict[str, int]:
    """Return every counter."""
    return dict(connection.execute(_COUNTERS).fetchall())


def _buckets(since: float | None, until: float | None) -> tuple[int, int]:
    first = 0 if since is None else bucket_of(since)
    return first, _FOR_EVER if until is None else bucket_of(until + BUCKET_S - 1e-6)


def _summary_row(
    by: Sequence[str], key: tuple[str | None, ...], total: list[Any]
) -> dict[str, Any]:
    return {**dict(zip(by, key, strict=True)), **dict(zip(_FIGURES, total, strict=True))}


def _record(row: tuple[Any, ...]) -> UsageRecord:
    call_id, attempt, at, team, user, tags, provider, model, state, ok, *figures = row
    return UsageRecord(
        call_id,
        attempt,
        at,
        team or None,
        user or None,
        loads(tags),
        provider,
        model,
        state,
        bool(ok),
        *figures,
    )
