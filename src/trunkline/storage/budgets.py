"""Setting, removing, listing and showing budgets; how they bind a call is the ledger's."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, get_args

from trunkline.errors import ConfigurationError
from trunkline.governance import scopes
from trunkline.governance.budgets import Budget, OnExceeded
from trunkline.governance.periods import PERIODS, period_of, zone
from trunkline.types.money import MAX_NANOUSD

from . import balances, events
from .balances import Rule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trunkline.governance.budgets import Per

    from .connection import Connection

_GET = "SELECT tz FROM budget WHERE scope = ? AND per = ?"
_SET = """INSERT INTO budget (scope, per, limit_nanousd, tz, hold, on_exceeded, since)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (scope, per) DO UPDATE SET limit_nanousd = excluded.limit_nanousd,
tz = excluded.tz, hold = excluded.hold, on_exceeded = excluded.on_exceeded"""
_REMOVE = "DELETE FROM budget WHERE scope = ? AND per = ?"
_LIST = """SELECT scope, per, limit_nanousd, tz, hold, on_exceeded, since FROM budget
ORDER BY scope, per"""
_BALANCES = "SELECT id, scope FROM balance WHERE per = ?"
_FORGET = "DELETE FROM balance WHERE id = ?"
_SINCE = "UPDATE budget SET since = ? WHERE per = ?"
_CHANGED = "UPDATE counter SET value = value + 1 WHERE name = 'budgets'"
_CURRENT = """SELECT scope, period_start, period_end, spent, held FROM balance
WHERE per = ? AND period_start <= ? AND (period_end IS NULL OR period_end > ?)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetStatus:
    """One budget's running period; of a template, one row for each that it has met."""

    scope: str
    per: Per
    tz: str
    on_exceeded: OnExceeded
    limit_nanousd: int
    spent_nanousd: int
    held_nanousd: int
    resets_at: float | None

    @property
    def left_nanousd(self) -> int:
        """What a next call may take; below 0 after an overrun."""
        return self.limit_nanousd - self.spent_nanousd - self.held_nanousd


def set_budget(connection: Connection, budget: Budget, now: float) -> None:
    """Put a budget in force; it counts what was spent and held since its period began.

    Raises:
        ConfigurationError: A scope, period, time zone, rule or limit that is none.
    """
    scope = _check(budget)
    budget = replace(budget, scope=scopes.canonical(budget.scope))
    known = connection.execute(_GET, (budget.scope, budget.per)).fetchone()
    _, at = balances.book_at(connection, now)
    fields = (budget.limit_nanousd, budget.tz, budget.hold, budget.on_exceeded, at)
    connection.execute(_SET, (budget.scope, budget.per, *fields))
    if known is None or known[0] != budget.tz:
        _count_anew(connection, scope, budget.per, at)
    _changed(connection, at, {"action": "budgets.set", **asdict(budget)})


def remove_budget(connection: Connection, scope: str, per: Per | None, now: float) -> int:
    """Take a scope's budgets (of one period, or all) out of force; returns how many there were."""
    scope = scopes.canonical(scope)
    parsed = scopes.parse(scope)
    removed = 0
    _, at = balances.book_at(connection, now)
    for each in PERIODS if per is None else (per,):
        if connection.execute(_REMOVE, (scope, each)).rowcount:
            _count_anew(connection, parsed, each, at)
            removed += 1
    if removed:
        _changed(connection, at, {"action": "budgets.remove", "scope": scope, "per": per})
    return removed


def list_budgets(connection: Connection) -> list[Budget]:
    """Return the budgets in force, templates as they were set."""
    return [
        Budget(scope=s, per=per, limit_nanousd=limit, tz=tz, hold=hold, on_exceeded=rule)
        for s, per, limit, tz, hold, rule, _ in connection.execute(_LIST)
    ]


def status(connection: Connection, now: float) -> list[BudgetStatus]:
    """Return limit, spent and held of every budget's running period.

    A template appears as the scopes it has met; with none yet, as itself.
    """
    book, at = balances.book_at(connection, now)
    rows: list[BudgetStatus] = []
    for budget in list_budgets(connection):
        start, end = period_of(budget.per, budget.tz, at)
        scope = scopes.parse(budget.scope)
        met = {
            name: (spent, held)
            for name, began, _, spent, held in connection.execute(_CURRENT, (budget.per, at, at))
            if began == start
            and not name.startswith("block:")
            and scope.covers(scopes.parse(name))
            and any(r.scope == budget.scope and r.per == budget.per for r in book.rules_for(name))
        }
        for name, (spent, held) in (met or {budget.scope: (0, 0)}).items():
            rows.append(_status(budget, name, spent, held, end))
    return rows


def _status(budget: Budget, scope: str, spent: int, held: int, end: float | None) -> BudgetStatus:
    return BudgetStatus(
        scope=scope,
        per=budget.per,
        tz=budget.tz,
        on_exceeded=budget.on_exceeded,
        limit_nanousd=budget.limit_nanousd,
        spent_nanousd=spent,
        held_nanousd=held,
        resets_at=end,
    )


def _check(budget: Budget) -> scopes.Scope:
    scope = scopes.parse(budget.scope)
    if scope.kind == "block":
        raise ConfigurationError("a block's cap is set by router.budget(usd=...)")
    if budget.per not in PERIODS:
        raise ConfigurationError(f"per={budget.per!r} must be one of {', '.join(PERIODS)}")
    if budget.hold != "bound":
        raise ConfigurationError(f'hold={budget.hold!r} must be "bound"')
    if budget.on_exceeded not in get_args(OnExceeded):
        raise ConfigurationError(
            f"on_exceeded={budget.on_exceeded!r} must be one of {', '.join(get_args(OnExceeded))}"
        )
    if not 0 <= budget.limit_nanousd <= MAX_NANOUSD:
        raise ConfigurationError(f"limit_nanousd={budget.limit_nanousd} must be 0 or more")
    zone(budget.tz)
    return scope


def _count_anew(connection: Connection, scope: scopes.Scope, per: Per, at: float) -> None:
    """Drop the balances a rule covered: what no rule keeps complete must not be found again.

    Those that a rule names are made anew at once, those of a template when they are next needed;
    both from roll-ups and open holds, which ``since`` asks for.
    """
    for row, name in connection.execute(_BALANCES, (per,)).fetchall():
        if scope.covers(scopes.parse(name)):
            connection.execute(_FORGET, (row,))
    connection.execute(_SINCE, (at, per))
    for rule in [Rule(*row) for row in connection.execute(balances.RULES)]:
        named = scopes.parse(rule.scope)
        if rule.per == per and not named.is_template and scope.covers(named):
            start, end = period_of(per, rule.tz, at)
            balances.find_or_make(connection, rule.scope, rule, start, end)


def _changed(connection: Connection, at: float, body: Mapping[str, object]) -> None:
    connection.execute(_CHANGED)
    events.append(connection, "admin", "", at, None, body)
