"""A store as the tests of the ledger use it: calls of one cent, with a retry where it is busy."""

from __future__ import annotations

import itertools
import os
import random
import time
from typing import TYPE_CHECKING, Any, TypeVar

from trunkline.errors import StorageError
from trunkline.governance.budgets import Budget, Offer
from trunkline.routing.distribution import draw
from trunkline.storage import budgets, ledger
from trunkline.storage.database import Busy, Database
from trunkline.storage.owner import owner
from trunkline.storage.records import Ending, Granted, NotGranted, Reservation, Settled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trunkline.storage.connection import Connection

T = TypeVar("T")
CENT = 10_000_000
NOON = 1_767_268_800.0  # 2026-01-01 12:00 UTC, a Thursday


def offer(model: str = "m", amount: int | None = CENT, **fields: Any) -> Offer:
    """One candidate, worst case one cent, whose cap may not be lowered."""
    defaults: dict[str, Any] = {
        "provider": "p",
        "output_cap": 1000,
        "output_pico": 1000,
        "cap_is_callers": True,
        "price_version": "v1",
    }
    return Offer(model=model, amount_nanousd=amount, **{**defaults, **fields})


def paid(cost: int = CENT // 2, **fields: Any) -> Ending:
    """An exact ending."""
    return Ending(state="settled", cost_nanousd=cost, **fields)


def charged(cost: int = CENT, **fields: Any) -> Ending:
    """An ending by rule."""
    return Ending(state="estimated", cost_nanousd=cost, ok=False, **fields)


UNBILLED = Ending(state="voided", cost_nanousd=0, ok=False)


class Books:
    """A database, a clock and the ledger's functions with few arguments."""

    def __init__(self, target: str, **options: Any) -> None:
        self.database = Database(target, **options)
        self.now = NOON
        self._ids = itertools.count(1)

    def write(self, fn: Callable[[Connection], T]) -> T:
        """Write as the caller's loop would: wait a little while busy."""
        until = time.monotonic() + 20
        while True:
            try:
                return self.database.write(fn)
            except Busy:
                if time.monotonic() > until:
                    raise StorageError("busy for 20 s") from None
                time.sleep(random.uniform(0.0005, 0.005))

    def reserve(
        self,
        *offers: Offer,
        call_id: str | None = None,
        u: float = 0.0,
        lease_s: float = 660.0,
        held_by: str | None = None,
        probabilities: Sequence[float] | None = None,
        body: dict[str, Any] | None = None,
        **who: Any,
    ) -> tuple[str, Granted | NotGranted]:
        """Reserve; offers rank in the order given and the first has all the probability."""
        offers = offers or (offer(),)
        call_id = call_id or f"call-{os.getpid()}-{next(self._ids):06d}"
        reservation = Reservation(
            call_id=call_id,
            now=self.now,
            expires_at=self.now + lease_s,
            owner=held_by or owner(),
            **who,
        )
        p = probabilities or [1.0] + [0.0] * (len(offers) - 1)
        result = self.write(
            lambda c: ledger.reserve(
                c,
                reservation,
                offers,
                p,
                range(len(offers)),
                u,
                draw,
                lambda g: (b"x", {"p2": g.probabilities, "mask": g.mask, **(body or {})}),
            )
        )
        return call_id, result

    def granted(self, *offers: Offer, **fields: Any) -> str:
        """Reserve what must fit; returns the call id."""
        call_id, result = self.reserve(*offers, **fields)
        assert isinstance(result, Granted), result
        return call_id

    def refused(self, *offers: Offer, **fields: Any) -> NotGranted:
        """Reserve what must not fit."""
        result = self.reserve(*offers, **fields)[1]
        assert isinstance(result, NotGranted), result
        return result

    def settle(self, call_id: str, ending: Ending | None = None, attempt: int = 1) -> Settled:
        """Settle, by default at half a cent."""
        return self.write(lambda c: ledger.settle(c, call_id, attempt, ending or paid(), self.now))

    def budget(self, scope: str, limit: int, per: Any = "month", **fields: Any) -> None:
        """Set a budget."""
        rule = Budget(scope=scope, per=per, limit_nanousd=limit, **fields)
        self.write(lambda c: budgets.set_budget(c, rule, self.now))

    def figures(self, scope: str, per: str = "month") -> tuple[int, int]:
        """Return (spent, held) of a budget's running period."""
        rows = self.write(lambda c: budgets.status(c, self.now))
        return next(
            (r.spent_nanousd, r.held_nanousd) for r in rows if r.scope == scope and r.per == per
        )

    def assert_sound(self, held: int = 0) -> None:
        """No drift, and exactly so many holds under way."""
        assert self.write(lambda c: len(ledger.open_holds(c))) == held
        assert self.database.check() == []

    def close(self) -> None:
        """Close the file."""
        self.database.close()
