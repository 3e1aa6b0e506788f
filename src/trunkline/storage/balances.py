"""Balances: what is spent and held per scope and period, and which of them count a call.

A balance row is made at first use and is complete from then on: what was spent and held before it
comes from the roll-ups and the open holds, in the same transaction. So a missing row means nothing
spent since its budget was set.
"""

from __future__ import annotations

from json import loads
from typing import TYPE_CHECKING, NamedTuple

from trunkline.governance import scopes
from trunkline.governance.budgets import Room
from trunkline.governance.periods import period_of
from trunkline.governance.scopes import Spending

from . import holds, ids

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from trunkline.governance.budgets import OnExceeded, Per

    from .connection import Connection

_NOW = """SELECT value, (SELECT at FROM event ORDER BY id DESC LIMIT 1)
FROM counter WHERE name = 'budgets'"""
RULES = "SELECT scope, per, limit_nanousd, tz, on_exceeded, since FROM budget"
_FIND = "SELECT id FROM balance WHERE scope = ? AND per = ? AND period_start = ?"
_MAKE = """INSERT INTO balance (scope, per, period_start, period_end, spent, held)
VALUES (?, ?, ?, ?, ?, ?) RETURNING id"""
# One literal per number of ids: statements are cached by their text.
_MOST = 32
_READ = [
    f"SELECT id, spent, held FROM balance WHERE id IN ({', '.join('?' * n)})"  # noqa: S608
    for n in range(_MOST + 1)
]
_POST = [
    f"UPDATE balance SET held = held + ?, spent = spent + ? WHERE id IN ({', '.join('?' * n)})"  # noqa: S608
    for n in range(_MOST + 1)
]
_SPENT = {
    "all": "SELECT sum(cost) FROM rollup WHERE bucket >= ? AND bucket < ?",
    "team": "SELECT sum(cost) FROM rollup WHERE bucket >= ? AND bucket < ? AND team_id = ?",
    "user": "SELECT sum(cost) FROM rollup WHERE bucket >= ? AND bucket < ? AND user_id = ?",
    "team/user": """SELECT sum(cost) FROM rollup
WHERE bucket >= ? AND bucket < ? AND team_id = ? AND user_id = ?""",
    "provider": "SELECT sum(cost) FROM rollup WHERE bucket >= ? AND bucket < ? AND provider = ?",
    "model": """SELECT sum(cost) FROM rollup
WHERE bucket >= ? AND bucket < ? AND provider = ? AND ? IN (lower(model), lower(entry))""",
}
_SPENT_BY_TAGS = """SELECT tags, sum(cost) FROM rollup
WHERE bucket >= ? AND bucket < ? GROUP BY tags"""
# Of a UUIDv7's text, its version is the fifteenth character: other ids tell no age.
_SWEEP = """DELETE FROM balance WHERE id IN (SELECT id FROM balance
WHERE scope > 'block:' AND scope < ? AND held = 0 AND substr(scope, 21, 1) = '7' LIMIT ?)"""
BLOCK_KEPT_S = 2 * 86_400.0
SWEPT_AT_ONCE = 100
# Far below what is kept, so that a clock that jumps a day resets no block.
_BLOCK_NEW_S = 3_600.0
_FOR_EVER = float("inf")
_CACHED = 4096


class Rule(NamedTuple):
    """A budget as the ledger needs it; ``since``: balances made for later periods need no fill."""

    scope: str
    per: Per
    limit: int
    tz: str
    on_exceeded: OnExceeded
    since: float


class Place(NamedTuple):
    """A balance row, and the rule that limits it."""

    id: int
    scope: str
    per: Per
    limit: int
    on_exceeded: OnExceeded
    end: float | None


class _Group(NamedTuple):
    """The places that count a group of scopes, while no period of theirs changes."""

    start: float
    end: float
    places: tuple[Place, ...]


_NOWHERE = _Group(-_FOR_EVER, _FOR_EVER, ())


class Book:
    """The budgets of one version, and the balances found for them so far."""

    __slots__ = ("_groups", "_rules", "counts_offers", "version")

    def __init__(self, version: int, rules: Iterable[Rule]) -> None:
        self.version = version
        self._rules: dict[str, list[Rule]] = {}
        for rule in rules:
            self._rules.setdefault(rule.scope, []).append(rule)
        self.counts_offers = any(s.startswith(("provider:", "model:")) for s in self._rules)
        self._groups: dict[tuple[str, ...], _Group] = {}

    def places(
        self, connection: Connection, group: tuple[str, ...], at: float
    ) -> tuple[Place, ...]:
        """Return the balances that count a call of these literal scopes at that time."""
        if not self._rules:
            return ()
        known = self._groups.get(group)
        if known is None or not known.start <= at < known.end:
            known = self._find(connection, group, at)
            if len(self._groups) >= _CACHED:
                self._groups.clear()
            self._groups[group] = known
        return known.places

    def rules_for(self, scope: str) -> list[Rule]:
        """Return the rules for one literal scope: per period its own, else a template's."""
        found: dict[str, Rule] = {}
        for pattern in (scope, *scopes.templates_of(scope)):
            for rule in self._rules.get(pattern, ()):
                found.setdefault(rule.per, rule)
        return list(found.values())

    def _find(self, connection: Connection, group: tuple[str, ...], at: float) -> _Group:
        start, end, places = _NOWHERE
        for scope in group:
            for rule in self.rules_for(scope):
                first, last = period_of(rule.per, rule.tz, at)
                start, end = max(start, first), min(end, _FOR_EVER if last is None else last)
                row = find_or_make(connection, scope, rule, first, last)
                place = Place(row, scope, rule.per, rule.limit, rule.on_exceeded, last)
                places = (*places, place)
        return _Group(start, end, places)


def book_at(connection: Connection, now: float) -> tuple[Book, float]:
    """Return the budgets in force and the time to count at.

    A clock behind the newest row is taken as that row's time, so that no budget is ever reset
    backwards.
    """
    version, newest = connection.execute(_NOW).fetchone()
    book = connection.cache.get("book")
    if book is None or book.version != version:
        rules = [Rule(*row) for row in connection.execute(RULES)]
        book = connection.cache["book"] = Book(version, rules)
    return book, now if newest is None else max(now, newest)


def block_place(connection: Connection, block: str, limit: int, now: float) -> Place:
    """Return the balance of a ``router.budget()`` block, made at its first hold.

    Not remembered: any process may have swept it.
    """
    row = block_row(connection, block)
    if row is None:
        made, figures = ids.time_of(block), (0, 0)
        if made is not None and now - made >= _BLOCK_NEW_S:  # it may have been swept
            figures = holds.of_block(connection, block, ids.first_of(made))
        values = (f"block:{block}", "total", 0.0, None, *figures)
        row = int(connection.execute(_MAKE, values).fetchone()[0])
    return Place(row, f"block:{block}", "total", limit, "fit", None)


def block_row(connection: Connection, block: str) -> int | None:
    """Return the id of a block's balance, if it has one."""
    found = connection.execute(_FIND, (f"block:{block}", "total", 0.0)).fetchone()
    return None if found is None else int(found[0])


def sweep_blocks(connection: Connection, now: float) -> int:
    """Delete some balances of blocks that are days old and hold nothing; returns how many.

    Whether a block is over cannot be known: one that is used again is summed anew from its holds.
    """
    oldest = f"block:{ids.first_of(now - BLOCK_KEPT_S)}"
    return connection.execute(_SWEEP, (oldest, SWEPT_AT_ONCE)).rowcount


def find_or_make(
    connection: Connection, scope: str, rule: Rule, start: float, end: float | None
) -> int:
    """Return the id of a balance row; a new one holds all that this period has seen so far."""
    row = connection.execute(_FIND, (scope, rule.per, start)).fetchone()
    if row is not None:
        return int(row[0])
    if start > rule.since:  # the rule is older than the period: this is its first call
        return int(connection.execute(_MAKE, (scope, rule.per, start, end, 0, 0)).fetchone()[0])
    until = _FOR_EVER if end is None else end
    parsed = scopes.parse(scope)
    under_way = [
        hold
        for hold in holds.open_ones(connection)
        if start <= hold.at < until and parsed.matches(hold.spending)
    ]
    spent, held = _spent(connection, parsed, start, until), sum(hold.amount for hold in under_way)
    values = (scope, rule.per, start, end, spent, held)
    made = int(connection.execute(_MAKE, values).fetchone()[0])
    for hold in under_way:
        holds.add_balance(connection, hold, made)
    return made


def rooms(connection: Connection, places: Sequence[Place]) -> tuple[Room, ...]:
    """Read what each place has left."""
    figures: dict[int, tuple[int, int]] = {}
    for i in range(0, len(places), _MOST):
        part = [place.id for place in places[i : i + _MOST]]
        for row, spent, held in connection.execute(_READ[len(part)], part):
            figures[row] = spent, held
    return tuple(
        [Room(p.id, p.scope, p.per, p.limit, *figures[p.id], p.on_exceeded, p.end) for p in places]
    )


def post(connection: Connection, ids: Sequence[int], *, held: int, spent: int) -> None:
    """Add to the held and spent money of several balances."""
    for i in range(0, len(ids), _MOST):
        part = ids[i : i + _MOST]
        connection.execute(_POST[len(part)], (held, spent, *part))


def _spent(connection: Connection, scope: scopes.Scope, start: float, end: float) -> int:
    if scope.kind != "tag":
        row = connection.execute(_SPENT[scope.kind], (start, end, *scope.parts)).fetchone()
        return int(row[0] or 0)
    return sum(
        cost
        for tags, cost in connection.execute(_SPENT_BY_TAGS, (start, end))
        if scope.matches(Spending(None, None, "", "", loads(tags)))
    )
