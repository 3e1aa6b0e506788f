"""N2: random steps of several clients against a model that sums its holds anew every time."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.support.books import NOON, Books, offer

from trunkline.governance.periods import period_of
from trunkline.storage import budgets, ledger
from trunkline.storage.records import Ending, Granted

USERS = ["bo", "jo", None]
ENTRIES = {"a": None, "b": None, "A": None, "a-1": "a"}
MODELS = list(ENTRIES)
SCOPES = ["all", "user:bo", "user:*", "model:p/a", "model:p/*"]
MOVES = {"reserved": ("settled", "voided", "estimated"), "estimated": ("settled",)}
money = st.integers(0, 100)


@dataclass
class Call:
    user: str | None
    model: str
    amount: int
    at: float
    expires_at: float
    state: str = "reserved"
    cost: int = 0

    def literals(self) -> set[str]:
        names = {self.model.lower(), ENTRIES[self.model] or self.model.lower()}
        models = {f"model:p/{name}" for name in names}
        return {"all", *models, *([f"user:{self.user}"] if self.user else [])}


class Model:
    """What the ledger should say, by summing."""

    def __init__(self) -> None:
        self.calls: dict[tuple[str, int], Call] = {}
        self.limits: dict[tuple[str, str], int] = {}
        self.newest = 0.0

    def limit_of(self, literal: str, per: str) -> int | None:
        kind = literal.partition(":")[0]
        template = {"user": "user:*", "model": "model:p/*"}.get(kind, "")
        return self.limits.get((literal, per), self.limits.get((template, per)))

    def used(self, literal: str, per: Any, at: float) -> tuple[int, int]:
        start, end = period_of(per, "UTC", at)
        inside = [
            call
            for call in self.calls.values()
            if literal in call.literals() and start <= call.at < (end or 1e18)
        ]
        spent = sum(call.cost for call in inside)
        return spent, sum(call.amount for call in inside if call.state == "reserved")

    def fits(self, call: Call) -> bool:
        return all(
            sum(self.used(literal, per, call.at)) + call.amount <= limit
            for literal in call.literals()
            for per in ("day", "total")
            if (limit := self.limit_of(literal, per)) is not None
        )

    def end(self, key: tuple[str, int], state: str, cost: int) -> bool:
        call = self.calls.get(key)
        if call is None or state not in MOVES.get(call.state, ()):
            return False
        call.state, call.cost = state, 0 if state == "voided" else cost
        return True

    def expire(self, now: float) -> None:
        for key, call in self.calls.items():
            if call.state == "reserved" and call.expires_at < now:
                self.end(key, "estimated", call.amount)


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        path = os.path.join(self.folder.name, "s.db")
        self.clients = [Books(path), Books(path)]
        self.model = Model()
        self.now = NOON
        self.count = 0

    def teardown(self) -> None:
        for client in self.clients:
            client.assert_sound(sum(c.state == "reserved" for c in self.model.calls.values()))
            client.close()
        self.folder.cleanup()

    def client(self, which: int) -> Books:
        self.clients[which].now = self.now
        return self.clients[which]

    @rule(which=st.integers(0, 1), user=st.sampled_from(USERS), model=st.sampled_from(MODELS),
          amount=money, again=st.booleans())  # fmt: skip
    def reserve(self, which: int, user: str | None, model: str, amount: int, again: bool) -> None:
        self.count += 1
        call_id, truth = f"c{self.count}", self.model
        _, result = self.client(which).reserve(
            offer(model, amount, entry=ENTRIES[model]), call_id=call_id, user=user, lease_s=300,
            held_by=f"elsewhere:{which}:1:1",
        )  # fmt: skip
        truth.expire(self.now)
        at = truth.newest = max(self.now, truth.newest)
        call = Call(user, model, amount, at, self.now + 300)
        assert isinstance(result, Granted) is truth.fits(call)
        if isinstance(result, Granted):
            truth.calls[call_id, 1] = call
            if again:
                assert self.client(1 - which).reserve(
                    offer(model, amount, entry=ENTRIES[model]), call_id=call_id, user=user
                )[1] == result  # fmt: skip

    @precondition(lambda self: self.model.calls)
    @rule(which=st.integers(0, 1), data=st.data(), cost=money,
          state=st.sampled_from(["settled", "voided", "estimated"]))  # fmt: skip
    def settle(self, which: int, data: Any, cost: int, state: Any) -> None:
        key = data.draw(st.sampled_from(sorted(self.model.calls)))
        ending = Ending(state=state, cost_nanousd=cost)

        moved = self.client(which).settle(key[0], ending, key[1]).moved

        assert moved is self.model.end(key, state, cost)
        if moved:
            self.model.newest = max(self.now, self.model.newest)

    @precondition(lambda self: self.model.calls)
    @rule(which=st.integers(0, 1), data=st.data(), cost=money, amount=money,
          state=st.sampled_from(["voided", "estimated"]))  # fmt: skip
    def fall_back(self, which: int, data: Any, cost: int, amount: int, state: Any) -> None:
        call_id, attempt = data.draw(st.sampled_from(sorted(self.model.calls)))
        if (call_id, attempt + 1) in self.model.calls:
            return
        first, truth = self.model.calls[call_id, 1], self.model
        result = self.client(which).write(
            lambda c: ledger.next_attempt(
                c, call_id, attempt, Ending(state=state, cost_nanousd=cost), offer("b", amount),
                self.now, self.now + 300,
            )
        )  # fmt: skip
        if truth.end((call_id, attempt), state, cost):
            truth.newest = max(self.now, truth.newest)
        call = Call(first.user, "b", amount, first.at, self.now + 300)
        assert isinstance(result, Granted) is truth.fits(call)
        if isinstance(result, Granted):
            truth.calls[call_id, attempt + 1] = call

    @rule(which=st.integers(0, 1), scope=st.sampled_from(SCOPES), limit=st.integers(0, 400),
          per=st.sampled_from(["day", "total"]))  # fmt: skip
    def set_budget(self, which: int, scope: str, limit: int, per: str) -> None:
        self.client(which).budget(scope, limit, per)
        self.model.limits[scope, per] = limit
        self.model.newest = max(self.now, self.model.newest)

    @rule(which=st.integers(0, 1), scope=st.sampled_from(SCOPES))
    def remove_budget(self, which: int, scope: str) -> None:
        client = self.client(which)
        removed = client.write(lambda c: budgets.remove_budget(c, scope, None, client.now))
        gone = [key for key in self.model.limits if key[0] == scope]
        assert removed == len(gone)
        for key in gone:
            del self.model.limits[key]
            self.model.newest = max(self.now, self.model.newest)

    @precondition(lambda self: self.model.calls)
    @rule(which=st.integers(0, 1), data=st.data(), cost=money)
    def correct(self, which: int, data: Any, cost: int) -> None:
        key = data.draw(st.sampled_from(sorted(self.model.calls)))
        call, client = self.model.calls[key], self.client(which)
        if call.state != "reserved":
            client.write(lambda c: ledger.correct(c, key[0], key[1], cost, client.now))
            call.state, call.cost = "settled", cost
            self.model.newest = max(self.now, self.model.newest)

    @rule(seconds=st.sampled_from([60, 301, 43_200, 86_400, -60, -86_400]))
    def let_time_pass(self, seconds: int) -> None:
        self.now += seconds

    @rule(which=st.integers(0, 1))
    def crash(self, which: int) -> None:
        """Lose the process: its connection and all it remembers."""
        path = self.clients[which].database.path
        self.clients[which].close()
        self.clients[which] = Books(path)

    @invariant()
    def figures_are_the_sums(self) -> None:
        client = self.client(0)
        at = max(self.now, self.model.newest)
        for row in client.write(lambda c: budgets.status(c, client.now)):
            if row.scope.endswith("*"):
                continue
            found = row.spent_nanousd, row.held_nanousd
            if self.model.limits.get((row.scope, row.per)) is not None or found != (0, 0):
                assert found == self.model.used(row.scope, row.per, at), row
            assert row.limit_nanousd == self.model.limit_of(row.scope, row.per)


def test_N2_random_steps_agree_with_the_model() -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(max_examples=25, stateful_step_count=30, deadline=None, database=None),
    )


@pytest.mark.soak
def test_N2_ten_thousand_steps_agree_with_the_model() -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(max_examples=200, stateful_step_count=50, deadline=None, database=None),
    )
