"""Are the totals the sums of their rows? Recomputes balances and roll-ups from holds and the log.

Reads every row; for ``trunkline doctor`` and the tests, never on a call's way.
"""

from __future__ import annotations

from json import loads
from math import isclose
from typing import TYPE_CHECKING, Any

from trunkline.governance.scopes import literal_scopes

from . import holds, rollups

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .connection import Connection
    from .holds import Hold

_INTEGRITY = {"sqlite": "PRAGMA integrity_check"}
_BALANCES = "SELECT id, scope, per, period_start, period_end, spent, held FROM balance"
_ROLLUPS = """SELECT bucket, team_id, user_id, provider, model, tags, entry, calls, attempts,
errors, prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens, cost, estimated,
duration_s FROM rollup"""
_ENDINGS = "SELECT call_id, kind, body FROM event WHERE kind IN ('outcome', 'admin') ORDER BY id"
_FOR_EVER = float("inf")


def findings(connection: Connection) -> list[str]:
    """Return what is wrong, in words; empty is good."""
    rows = connection.execute(_INTEGRITY[connection.dialect]).fetchall()
    found = [f"integrity: {row[0]}" for row in rows if row[0] != "ok"]
    found.extend(_drift_of_balances(connection))
    found.extend(_drift_of_rollups(connection))
    found.extend(_drift_of_log(connection))
    return found


def _drift_of_balances(connection: Connection) -> Iterator[str]:
    stored: dict[int, tuple[Any, ...]] = {}
    by_scope: dict[str, list[tuple[int, float, float]]] = {}
    for row, scope, per, start, end, spent, held in connection.execute(_BALANCES):
        stored[row] = (scope, per, spent, held)
        until = _FOR_EVER if end is None else end
        by_scope.setdefault(scope, []).append((row, start, until))
    sums = {row: [0, 0] for row in stored}
    for hold in holds.every(connection):
        for scope in _scopes(hold):
            for row, start, until in by_scope.get(scope, ()):
                if start <= hold.at < until:
                    sums[row][0] += hold.cost
                    sums[row][1] += hold.amount if hold.state == "reserved" else 0
    for row, (scope, per, spent, held) in stored.items():
        if sums[row] != [spent, held]:
            yield (
                f"balance {scope} per {per}: spent {spent}, held {held}, but its holds sum to"
                f" {sums[row][0]} and {sums[row][1]}"
            )


def _drift_of_rollups(connection: Connection) -> Iterator[str]:
    sums: dict[tuple[Any, ...], list[float]] = {}
    for hold in holds.every(connection):
        if hold.state != "reserved":
            total = sums.setdefault(rollups.key_of(hold), [0] * 10)
            for i, value in enumerate(_counted(hold)):
                total[i] += value
    for row in connection.execute(_ROLLUPS):
        key, stored = row[:7], row[7:]
        total = sums.pop(key, [0] * 10)
        exact = list(stored[:-1]) == total[:-1]
        if not exact or not isclose(stored[-1], total[-1], rel_tol=1e-6, abs_tol=1e-6):
            yield f"roll-up {key}: {stored}, but its holds sum to {tuple(total)}"
    for key in sums:
        yield f"roll-up {key} is missing"


def _drift_of_log(connection: Connection) -> Iterator[str]:
    last: dict[tuple[str, int], tuple[str, int]] = {}
    for call_id, kind, text in connection.execute(_ENDINGS):
        body = loads(text)
        if kind == "outcome" or body.get("action") == "budgets.correct":
            last[call_id, body["attempt"]] = (body["state"], body["cost"])
    for hold in holds.every(connection):
        ended = None if hold.state == "reserved" else (hold.state, hold.cost)
        if last.get((hold.call_id, hold.attempt)) != ended:
            yield (
                f"hold {hold.call_id} attempt {hold.attempt} is {hold.state} at {hold.cost}, but"
                f" the log says {last.get((hold.call_id, hold.attempt))}"
            )


def _counted(hold: Hold) -> Iterable[float]:
    return (
        int(hold.attempt == 1),
        1,
        1 - hold.ok,
        hold.prompt_tokens,
        hold.completion_tokens,
        hold.cached_tokens,
        hold.reasoning_tokens,
        hold.cost,
        hold.cost if hold.state == "estimated" else 0,
        hold.duration_s,
    )


def _scopes(hold: Hold) -> tuple[str, ...]:
    blocks = (block for block, _ in loads(hold.blocks))
    return literal_scopes(
        hold.team or None,
        hold.user or None,
        loads(hold.tags),
        hold.provider,
        hold.model,
        blocks,
        hold.entry,
    )
