"""Fifteen-minute roll-ups of what was spent, by the time at which the call was reserved."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .connection import Connection
    from .holds import Hold
    from .records import Ending

BUCKET_S = 900
_ADD = """INSERT INTO rollup (bucket, team_id, user_id, provider, model, tags, entry, calls,
attempts, errors, prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens, cost,
estimated, duration_s) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (bucket, team_id, user_id, provider, model, tags, entry) DO UPDATE SET
calls = rollup.calls + excluded.calls, attempts = rollup.attempts + 1,
errors = rollup.errors + excluded.errors,
prompt_tokens = rollup.prompt_tokens + excluded.prompt_tokens,
completion_tokens = rollup.completion_tokens + excluded.completion_tokens,
cached_tokens = rollup.cached_tokens + excluded.cached_tokens,
reasoning_tokens = rollup.reasoning_tokens + excluded.reasoning_tokens,
cost = rollup.cost + excluded.cost, estimated = rollup.estimated + excluded.estimated,
duration_s = rollup.duration_s + excluded.duration_s"""
# Not the upsert: its checks would refuse a negative difference before finding the row.
_CHANGE = """UPDATE rollup SET errors = errors + ?, prompt_tokens = prompt_tokens + ?,
completion_tokens = completion_tokens + ?, cached_tokens = cached_tokens + ?,
reasoning_tokens = reasoning_tokens + ?, cost = cost + ?, estimated = estimated + ?,
duration_s = duration_s + ?
WHERE bucket = ? AND team_id = ? AND user_id = ? AND provider = ? AND model = ? AND tags = ?
AND entry = ?"""


def bucket_of(at: float) -> int:
    """Return the start of the quarter of an hour around ``at``."""
    return int(at // BUCKET_S) * BUCKET_S


def key_of(hold: Hold) -> tuple[int, str, str, str, str, str, str]:
    """Return the row that counts a hold."""
    who = hold.team, hold.user
    return bucket_of(hold.at), *who, hold.provider, hold.model, hold.tags, hold.entry


def post(connection: Connection, hold: Hold, ending: Ending, cost: int) -> None:
    """Count how a hold ended: whole the first time, then the difference.

    A call is counted where its first attempt ran.
    """
    estimated = cost if ending.state == "estimated" else 0
    errors = int(not ending.ok)
    if hold.state == "reserved":
        values = (
            int(hold.attempt == 1),
            errors,
            ending.prompt_tokens,
            ending.completion_tokens,
            ending.cached_tokens,
            ending.reasoning_tokens,
            cost,
            estimated,
            ending.duration_s,
        )
        connection.execute(_ADD, key_of(hold) + values)
        return
    change = (
        errors - (1 - hold.ok),
        ending.prompt_tokens - hold.prompt_tokens,
        ending.completion_tokens - hold.completion_tokens,
        ending.cached_tokens - hold.cached_tokens,
        ending.reasoning_tokens - hold.reasoning_tokens,
        cost - hold.cost,
        estimated - (hold.cost if hold.state == "estimated" else 0),
        ending.duration_s - hold.duration_s,
    )
    connection.execute(_CHANGE, change + key_of(hold))
