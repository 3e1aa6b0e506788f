"""The money of one call: taken once, moved between attempts, ended exactly once.

Decides what an attempt's end is charged. Does not decide whether there is another attempt, nor
whether an offer fits (the ledger does, inside its transaction).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from trunkline import _retries, _store
from trunkline.catalog import pricing
from trunkline.catalog.tokens import ENVELOPE_BYTES
from trunkline.errors import BudgetExceededError, Refused, TrunklineError
from trunkline.governance.budgets import Offer
from trunkline.routing import distribution
from trunkline.storage import events, ledger, usage
from trunkline.storage.records import Ending, NotGranted, Reservation
from trunkline.types.money import usd
from trunkline.types.routing import Actual, Attempt, Routing

if TYPE_CHECKING:
    from collections.abc import Callable

    from trunkline._admission import Call
    from trunkline._decisions import Choice
    from trunkline._engine import Engine
    from trunkline._io.protocol import IO
    from trunkline._learning import Gap
    from trunkline.catalog.models import Deployment
    from trunkline.storage.connection import Connection
    from trunkline.storage.records import Granted, Settled
    from trunkline.types.chat import Usage

LEASE_PAST_DEADLINE_S = 60.0
OPEN_ENDED_LEASE_S = 3600.0
_UNSENT = Ending(state="voided", cost_nanousd=0, ok=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one exchange came to, as far as it is known.

    Attributes:
        usage: Believable usage, else ``None``.
        served: The model that answered, where it said so.
        received_bytes: Output that arrived, in UTF-8 bytes, an upper bound of its tokens.
        is_whole: The answer is complete.
        may_have_billed: Of a failed one: whether the provider may charge it all the same.
        duration_s: Wall and simulated seconds of the exchange.
    """

    usage: Usage | None = None
    served: str | None = None
    received_bytes: int = 0
    is_whole: bool = False
    duration_s: float = 0.0
    first_chunk_s: float | None = None
    finish_reason: str | None = None
    request_id: str | None = None
    error: BaseException | None = None
    may_have_billed: bool = True


class Received(Protocol):
    """A stream as far as it came."""

    def outcome(self, error: BaseException | None) -> Outcome:
        """Say what the exchange came to."""
        ...


class Hold:
    """One call's hold, from the reservation to its end.

    Attributes:
        deployment: Whom the hold is for now.
        drawn: Id of the deployment that was drawn, to which a fallback is credited.
        draw: What the ledger gave for it: the draw among all candidates.
        granted: What the ledger gave last, for ``deployment``.
        attempts: Exchanges so far.
        is_open: Whether something may be held; true before the first write, because clean-up goes
            by call id and must also cover a reservation that was interrupted while it committed.
        in_flight: Whether a request may be on its way, so that its outcome is unknown.
        input_bytes: The bound of the input that is held for: the call's, or that of a body which
            turned out longer.
        reading: The stream that the call became, so that a finaliser knows what came; in a cycle of
            garbage nobody knows whose runs first.
        body_bytes: How long a body may be for that bound to hold; compared before each exchange.
    """

    def __init__(self, engine: Engine, call: Call, choice: Choice) -> None:
        self.engine = engine
        self.call = call
        self.choice = choice
        self.attempt = 1
        self._bound_by(call.input_bytes)
        self.attempts: list[Attempt] = []
        self.is_open = False
        self.in_flight = False
        self.last: Outcome | None = None
        self._ending: Ending | None = None
        self._is_moving = False
        self._pid = os.getpid()
        self._now = engine.clock
        self._renew_at: float | None = None
        self.reading: Received | None = None
        self.draw: Granted
        self.granted: Granted
        self.deployment: Deployment
        self.drawn = ""

    async def take(self, io: IO) -> None:
        """Draw a model among those whose worst case fits, and hold that.

        Raises:
            BudgetExceededError: Nothing fits.
            StorageError: The ledger cannot be written; nothing was sent.
        """
        call = self.call
        self._now = io.now
        now = io.now()
        offers = [offer_for(call, d, call.input_bytes) for d in call.candidates]
        reservation = Reservation(
            call_id=call.id,
            now=now,
            expires_at=self._lease_end(now),
            owner=self.engine.owner(),
            team=call.settings.team,
            user=call.settings.user,
            tags=call.settings.tags,
            blocks=call.settings.blocks,
        )

        def reserve(connection: Connection) -> Granted | NotGranted:
            result = ledger.reserve(
                connection,
                reservation,
                offers,
                self.choice.probabilities,
                self.choice.ranking,
                self.choice.u,
                distribution.draw,
                lambda granted: (self.choice.x, self.choice.record(call, granted)),
            )
            if isinstance(result, NotGranted):
                usage.count(connection, "refused:budget")
                return result
            for constant in self.choice.constants:
                events.append(connection, "constant", call.id, now, None, constant)
            return result

        self.is_open = True
        result = await _store.write(io, self.engine.database, reserve)
        if isinstance(result, NotGranted):
            self.is_open = False
            raise _refusal(call, result)
        deployment = call.candidates[result.index]
        self.draw = result
        self.drawn = deployment.id
        self._granted(result, deployment)
        if call.deadline_s is None:
            self._renew_at = io.monotonic() + OPEN_ENDED_LEASE_S / 2

    async def move(self, io: IO, outcome: Outcome, deployment: Deployment) -> bool:
        """End the hold of a failed attempt and take one for the next.

        Returns:
            Whether there was room; if not, the failed attempt is ended all the same.
        """
        ending = self._end_of(outcome)
        # Another provider says the request in other words, this one as it did.
        is_same = deployment == self.deployment
        input_bytes = self.input_bytes if is_same else self.call.input_bytes
        offer = offer_for(self.call, deployment, input_bytes)
        now = io.now()

        def move(connection: Connection) -> Granted | NotGranted:
            return ledger.next_attempt(
                connection, self.call.id, self.attempt, ending, offer, now, self._lease_end(now)
            )

        was_open = self.is_open  # an attempt that found no room for its next one has ended already
        self._ending, self._is_moving = ending, True
        result = await _store.write(io, self.engine.database, move)
        if was_open:
            self._book(ending)
        if isinstance(result, NotGranted):
            self.is_open = False
        else:
            self._granted(result, deployment)
            self._bound_by(input_bytes)
            self.attempt = result.attempt
        self._ending, self._is_moving = None, False
        return self.is_open

    async def cover(self, io: IO, body: bytes) -> bool:
        """Hold for a body that is longer than the request it was made of, before it is sent.

        Returns:
            Whether the output cap changed with it, so that the body must be made anew.

        Raises:
            BudgetExceededError: That does not fit; the hold is as it was.
            StorageError: The ledger cannot be written.
        """
        input_bytes = bound_of(self.call, body)
        offer = offer_for(self.call, self.deployment, input_bytes)
        before = self.granted
        if offer.amount_nanousd is not None and not offer.is_free:
            now = io.now()

            def enlarge(connection: Connection) -> Granted | NotGranted:
                result = ledger.enlarge(connection, self.call.id, self.attempt, offer, now)
                if isinstance(result, NotGranted):
                    usage.count(connection, "refused:budget")
                return result

            result = await _store.write(io, self.engine.database, enlarge)
            if isinstance(result, NotGranted):
                raise _refusal(self.call, result)
            self.granted = result
        self._bound_by(input_bytes)
        return self.granted.output_cap != before.output_cap

    async def end(self, io: IO, outcome: Outcome) -> Settled | None:
        """Post what the call cost and learn from it.

        An answered call is never failed by its book-keeping: where the store cannot be written now,
        the ending is left to the next store call and the error is logged.
        """
        self._ending = self.note(outcome)
        settle = self._settlement()
        learner = self.engine.learner

        def settle_and_read(connection: Connection) -> tuple[Settled, Gap]:
            return settle(connection), learner.gap(connection)

        try:
            settled, gap = await _store.write(io, self.engine.database, settle_and_read)
        except TrunklineError as error:
            self.engine.log_failure("settling a call", error)
            self.end_later(outcome)
            return None
        self.is_open = False
        self._book(self._ending)
        self.engine.learner.fold(gap)
        return settled

    def end_now(self, outcome: Outcome) -> None:
        """End what is held without awaiting: the way out of a failed or cancelled call."""
        if self.is_open:
            self._ending = self._ending or self._end_of(outcome)
            _store.write_now(self.engine.database, self._settlement())
            self.is_open = False
            self._book(self._ending)

    def end_later(self, outcome: Outcome) -> None:
        """Leave the end to the next store call: takes no lock, so a finaliser may call it."""
        if self.is_open:
            self._ending = self._ending or self._end_of(outcome)
            self.engine.database.defer(self._settlement())
            self.is_open = False
            self._book(self._ending)

    async def renew(self, io: IO) -> None:
        """Lengthen the lease of a call without a deadline, half-way through."""
        if self._renew_at is None or io.monotonic() < self._renew_at:
            return
        expires_at = io.now() + OPEN_ENDED_LEASE_S
        try:
            await _store.write(
                io, self.engine.database, lambda c: ledger.renew(c, self.call.id, expires_at)
            )
        except TrunklineError as error:
            # The answer is under way and paid for; a lease that ran out is settled all the same.
            self.engine.log_failure("renewing a lease", error)
        self._renew_at = io.monotonic() + OPEN_ENDED_LEASE_S / 2

    def tell(self, error: TrunklineError) -> None:
        """Give an error the context that only the call knows."""
        error.routing_id = self.call.id
        error.attempts = tuple(self.attempts)
        if not isinstance(error, Refused) and hasattr(self, "deployment"):
            error.provider = error.provider or self.deployment.provider
            error.model = error.model or self.deployment.model.id

    def routing(self, outcome: Outcome, adjusted: tuple[str, ...]) -> Routing:
        """Tell how the answer came about."""
        used = outcome.usage
        ending = self._ending or self._end_of(outcome)
        predicted = self.choice.prediction(self.deployment.id)
        drawn, choice = self.draw, self.choice
        reason = choice.reason(drawn.index, drawn.mask)
        if self.deployment.id != self.drawn:
            reason = f"fallback, because {self.drawn} failed ({reason})"
        return Routing(
            id=self.call.id,
            provider=self.deployment.provider,
            model=self.deployment.model.id,
            reason=reason,
            predicted=predicted,
            actual=Actual(
                cost_usd=usd(ending.cost_nanousd),
                latency_s=outcome.duration_s,
                first_chunk_s=outcome.first_chunk_s,
                prompt_tokens=used.prompt_tokens if used else None,
                completion_tokens=used.completion_tokens if used else None,
                finish_reason=outcome.finish_reason,
            ),
            propensity=drawn.probabilities[drawn.index],
            explored=choice.explored(drawn.index, drawn.mask),
            estimated=ending.state == "estimated",
            attempts=tuple(self.attempts),
            hold=usd(self.granted.amount_nanousd),
            adjusted=adjusted,
            team=self.call.settings.team,
            user=self.call.settings.user,
        )

    def fail(self, error: BaseException) -> None:
        """End what is held because of ``error``, with what is known of the exchange it ended."""
        known = self.last is not None and self.last.error is error
        outcome = self.last if known and self.last else self._interrupted(error)
        if isinstance(error, GeneratorExit):  # a task dropped half-way: this is its finaliser
            self.end_later(outcome)
        else:
            self.end_now(outcome)

    def __del__(self) -> None:
        # The last net, for an interrupt that hit the clean-up itself; lock-free as a finaliser is.
        if getattr(self, "is_open", False) and self._pid == os.getpid():
            reading = self.reading
            self.end_later(reading.outcome(None) if reading else self._interrupted(GeneratorExit()))

    def _interrupted(self, error: BaseException) -> Outcome:
        may_have_billed = self.in_flight and _retries.may_have_billed(error)
        return Outcome(error=error, may_have_billed=may_have_billed)

    def note(self, outcome: Outcome) -> Ending:
        """Add an exchange to ``attempts``; return how it ends its hold."""
        self.last = outcome
        ending = self._end_of(outcome)
        error = outcome.error
        self.attempts.append(
            Attempt(
                provider=self.deployment.provider,
                model=self.deployment.model.id,
                state=ending.state,
                duration_s=outcome.duration_s,
                status_code=getattr(error, "status_code", None) if error else 200,
                error=type(error).__name__ if error else None,
                request_id=outcome.request_id,
                cost_usd=usd(ending.cost_nanousd),
            )
        )
        return ending

    def _bound_by(self, input_bytes: int) -> None:
        self.input_bytes = input_bytes
        self.body_bytes = _longest_body(self.call, input_bytes)

    def _granted(self, granted: Granted, deployment: Deployment) -> None:
        # ``granted`` last: it tells the clean-up of an interrupted call that the rest is there.
        self.in_flight = False
        self.deployment = deployment
        self.granted = granted
        self.is_open = True

    def _book(self, ending: Ending) -> None:
        self.engine.book(self.call.settings.blocks, ending.cost_nanousd)

    def _lease_end(self, now: float) -> float:
        if self.call.deadline_s is None:
            return now + OPEN_ENDED_LEASE_S
        return now + self.call.deadline_s + LEASE_PAST_DEADLINE_S

    def _settlement(self) -> Callable[[Connection], Settled]:
        ending = self._ending
        assert ending is not None  # noqa: S101  # every caller has just set it
        call_id, attempt, at = self.call.id, self.attempt, self._now()
        is_moving = self._is_moving

        def settle(connection: Connection) -> Settled:
            if is_moving:  # the next hold may have been committed before we were interrupted
                ledger.settle(connection, call_id, attempt + 1, _UNSENT, at)
            return ledger.settle(connection, call_id, attempt, ending, at)

        return settle

    def _end_of(self, outcome: Outcome) -> Ending:
        if not hasattr(self, "granted"):  # interrupted inside the reservation: nothing was sent
            return _UNSENT
        state, cost = charge(self, outcome)
        used = outcome.usage
        return Ending(
            state=state,
            cost_nanousd=cost,
            prompt_tokens=used.prompt_tokens if used else 0,
            completion_tokens=used.completion_tokens if used else 0,
            cached_tokens=used.cached_tokens if used else 0,
            reasoning_tokens=used.reasoning_tokens if used else 0,
            duration_s=outcome.duration_s,
            ok=outcome.is_whole,
            x=self.choice.x,
            body=self._body(outcome),
        )

    def _body(self, outcome: Outcome) -> dict[str, Any]:
        return {
            "fv": self.choice.feature_version,
            "task": self.call.task.name,
            "credit": self.drawn,
            "in_est": self.call.input_tokens,
            "cap": self.granted.output_cap or self.call.output_cap,
            "ttft_s": outcome.first_chunk_s,
            "finish_reason": outcome.finish_reason,
            "error": type(outcome.error).__name__ if outcome.error else None,
            "status_code": getattr(outcome.error, "status_code", None),
            "request_id": outcome.request_id,
            "served": outcome.served,
            "has_usage": outcome.usage is not None,
            "earlier": [_attempt_record(attempt) for attempt in self.attempts],
        }


def _attempt_record(attempt: Attempt) -> list[Any]:
    """Keep what no row of its own tells: an unbilled try leaves none."""
    a = attempt
    return [a.provider, a.model, a.state, a.status_code, a.error, round(a.duration_s, 6)]


def charge(hold: Hold, outcome: Outcome) -> tuple[Any, int]:
    """Say where the hold goes and what is posted (failure-model M6).

    Usage reported for a whole answer is exact, whatever it comes to, unless it was billed at other
    prices than ours: then it is an estimate, and never below its list price. Without usage the
    charge is never below the input bound plus the output received, and never above what was held.
    An attempt that was sent and whose fate is unknown keeps its whole hold: the provider may have
    produced it all. So does one of a model that may reason unseen, of which what is received says
    too little.
    """
    prices = hold.engine.prices_of(hold.deployment, outcome.served)
    held = hold.granted.amount_nanousd
    bill, standing = outcome.usage, "none"
    if bill is not None:
        standing = pricing.standing(bill, prices, has_output=outcome.received_bytes > 0)
    if standing == "none":
        bill = None
    exact = pricing.cost_nanousd(bill, prices) if bill and prices else 0
    if outcome.is_whole and standing == "exact":
        return "settled", exact
    if outcome.error is not None and not outcome.may_have_billed:
        return "voided", 0
    if prices is None:
        return "estimated", 0
    if outcome.is_whole and standing == "at_most":
        return "estimated", exact
    nothing_came = not outcome.is_whole and not outcome.received_bytes
    if bill is None and (nothing_came or hold.engine.may_reason(hold.deployment)):
        return "estimated", held  # what was thought unseen is billed as output
    floor = pricing.received_floor(prices, hold.input_bytes, outcome.received_bytes)
    return "estimated", max(min(floor, held), exact)


def bound_of(call: Call, body: bytes) -> int:
    """Bound the input by the call, or by the body made of it where that turned out longer."""
    if len(body) <= _longest_body(call, call.input_bytes):
        return call.input_bytes
    return len(body) + call.unseen_bytes


def _longest_body(call: Call, input_bytes: int) -> int:
    return input_bytes - call.unseen_bytes + ENVELOPE_BYTES


def offer_for(call: Call, deployment: Deployment, input_bytes: int) -> Offer:
    """Price the worst case of asking one deployment with so much input."""
    model = deployment.model
    cap = call.output_cap
    if cap is None:
        most = call.settings.max_output_tokens
        cap = min(model.max_output or most, most)
    prices = model.prices
    amount: int | None = None
    output_pico = 0
    is_free = prices is not None and prices.is_free
    if prices is not None and (is_free or not call.unbounded):
        amount, output_pico = pricing.worst_case(prices, input_bytes, cap, call.n)
    return Offer(
        provider=deployment.provider,
        model=model.id,
        entry=model.entry,
        amount_nanousd=amount,
        output_cap=cap,
        output_pico=output_pico,
        cap_is_callers=call.output_cap is not None,
        is_free=is_free,
        # That a price is unknown may be allowed; a known price without a bound cannot be held.
        unpriced_allowed=call.settings.unpriced == "allow" and prices is None,
        price_version=prices.version if prices else "",
    )


def _refusal(call: Call, refused: NotGranted) -> BudgetExceededError:
    limit, spent, held = (
        usd(n) for n in (refused.limit_nanousd, refused.spent_nanousd, refused.held_nanousd)
    )
    needed = None if refused.needed_nanousd is None else usd(refused.needed_nanousd)
    code = "budget_exceeded"
    if needed is None and call.unbounded:
        code = "no_bound"
        why = f"the cost of {', '.join(call.unbounded)} has no bound, so a budget cannot hold it"
    elif needed is None:
        code = "no_price"
        why = (
            "the model has no known price; give it one with router.models.add(Model(...)), or set "
            "unpriced='allow'"
        )
    elif spent + needed <= limit:
        code = "budget_held"
        why = f"only money held for calls under way (${held:f}) is in the way; try again later"
    else:
        less = "send less at a time" if call.output_cap == 0 else "lower max_tokens"
        why = f"raise the budget, {less}, or choose a cheaper model"
    return BudgetExceededError(
        f"budget {refused.scope} per {refused.per}: limit ${limit:f}, spent ${spent:f}, "
        f"held ${held:f}, this call may cost {'?' if needed is None else f'${needed:f}'}; {why}",
        scope=refused.scope,
        limit=limit,
        spent=spent,
        held=held,
        needed=needed,
        resets_at=refused.resets_at,
        code=code,
        routing_id=call.id,
    )
