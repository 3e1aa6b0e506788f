"""Choosing with what was learned, and keeping it the fold of committed rows.

The process's copy of ``LearnedState`` moves only by rows read back from the log, in id order, so
every process agrees with every other and with a rebuild. Whatever goes wrong in here degrades a
choice to the baseline and is logged; it never fails a call.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache, lru_cache
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from trunkline import _store
from trunkline.errors import NoEligibleModelError
from trunkline.routing import features
from trunkline.storage import events, learned
from trunkline.types.money import nanousd, usd
from trunkline.types.routing import Candidate, Decision, Objective, Prediction

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    from trunkline._admission import Call
    from trunkline._io.protocol import IO
    from trunkline.catalog.models import Deployment
    from trunkline.policies import ArmInfo, Context, Policy, Proposal
    from trunkline.routing.state import LearnedState
    from trunkline.storage.connection import Connection
    from trunkline.storage.database import Database
    from trunkline.storage.learned import Snapshot
    from trunkline.storage.records import EventRow, Granted

ROWS_A_CALL = 64
ROWS_A_READ = 1000
SNAPSHOT_EVERY = 5000
SNAPSHOT_ON_CLOSE = 500  # a short-lived process saves the next one so much reading
SNAPSHOT, SNAPSHOT_VERSION = "learned", 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A proposal for one call, ready to be drawn from, logged and explained.

    Attributes:
        x: The features, as logged.
        u: The uniform that draws the arm.
        constants: Bodies of constant events to commit with the decision.
        predicted: What was expected of each candidate, in the figures that are logged.
        cursor: State of the learner it rests on.
    """

    x: bytes
    feature_version: int
    arms: tuple[str, ...]
    price_versions: tuple[str | None, ...]
    proposal: Proposal
    probabilities: tuple[float, ...]
    ranking: tuple[int, ...]
    u: float
    policy: str
    reason_words: str
    objective_key: str
    constants: tuple[dict[str, Any], ...]
    predicted: dict[str, list[Any]]
    cursor: int
    terms: Callable[[int], dict[str, dict[str, float]]]

    def reason(self, index: int, mask: Sequence[str | None] = ()) -> str:
        """Say in words why the candidate at ``index`` was taken; ``mask`` is the budgets'."""
        if index == self.proposal.best or len(self.arms) == 1:
            return self.reason_words
        if self.explored(index, mask):
            return f"explored ({self.reason_words} preferred another)"
        return f"next best that fits the budget ({self.reason_words})"

    def explored(self, index: int, mask: Sequence[str | None] = ()) -> bool:
        """Whether the draw went to an arm that only exploration could take.

        Where the best did not fit a budget, the next that fits was not a try.
        """
        best = next((i for i in self.ranking if not (mask and mask[i])), index)
        return index != best and self.probabilities[index] > 0

    def prediction(self, arm: str) -> Prediction:
        """Return what was expected of a deployment; empty for one that was no candidate."""
        if arm not in self.arms:
            return Prediction()
        return _logged(self.predicted, self.arms.index(arm))

    def record(self, call: Call, granted: Granted) -> dict[str, Any]:
        """Return the body of the decision event: what can never be added later."""
        return {
            "fv": self.feature_version,
            "requested": call.requested,
            "arms": self.arms,
            "p": self.probabilities,
            "p2": granted.probabilities,
            "mask": granted.mask,
            "ruled_out": [
                *((d.id, why) for d, why in call.ruled_out),
                *((a, w) for a, w in zip(self.arms, self.proposal.reasons, strict=True) if w),
            ],
            "ranking": self.ranking,
            "u": self.u,
            "eps": self.proposal.eps,
            "chosen": granted.index,
            "explored": self.explored(granted.index, granted.mask),
            "explicit": call.is_explicit,
            "reason": self.reason(granted.index, granted.mask),
            "policy": self.policy,
            "objective": _objective_record(call.settings.objective),
            "objective_key": self.objective_key,
            "cursor": self.cursor,
            "in_est": call.input_tokens,
            "price_version": self.price_versions,
            "predicted": self.predicted,
            "utility": [u if isfinite(u) else None for u in self.proposal.utilities],
            "terms": self.terms(granted.index) if len(self.arms) > 1 else {},
            "held": granted.amount_nanousd,
            "team": call.settings.team,
            "user": call.settings.user,
            "tags": dict(call.settings.tags),
            "stream": call.stream,
        }

    def decision(self, call: Call) -> Decision:
        """Return the decision as it stands without a draw: the best-ranked candidate."""
        candidates = tuple(
            Candidate(
                provider=d.provider,
                model=d.model.id,
                ruled_out=self.proposal.reasons[i],
                utility=u if isfinite(u := self.proposal.utilities[i]) else None,
                propensity_before=self.probabilities[i],
                propensity=self.probabilities[i],
                predicted=_logged(self.predicted, i),
            )
            for i, d in enumerate(call.candidates)
        ) + tuple(
            Candidate(provider=d.provider, model=d.model.id, ruled_out=why)
            for d, why in call.ruled_out
        )
        best = self.ranking[0]
        return Decision(
            id=None,
            requested=call.requested,
            chosen=candidates[best],
            candidates=candidates,
            reason=self.reason(best),
            explored=False,
            propensity=self.probabilities[best],
            policy=self.policy,
            objective=call.settings.objective,
            eps=self.proposal.eps,
            terms=self.terms(best) if len(self.arms) > 1 else {},
        )


_Logged: TypeAlias = "dict[str, list[float | bool | None]]"  # predictions, as the log keeps them


class Gap(NamedTuple):
    """Rows of the log, read in order from the first one after the event ``after``."""

    after: int
    rows: Sequence[EventRow]


class _Arms(NamedTuple):
    """What the candidates of a call are to a policy; calls in a row mostly have the same."""

    candidates: tuple[Deployment, ...]
    output_cap: int | None
    infos: tuple[ArmInfo, ...]
    ids: tuple[str, ...]
    price_versions: tuple[str | None, ...]


class Learner:
    """The process's copy of the learned state, and the draws.

    Args:
        database: Where the rows are.
        seed: Makes the draws a function of the call's number; ``None`` takes entropy.
        log_failure: Told of whatever was degraded.
        auto_arms: Returns the arms behind ``auto``, by which constants are set.
    """

    def __init__(
        self,
        database: Database,
        seed: int | None,
        log_failure: Callable[[str, Exception], None],
        auto_arms: Callable[[], Sequence[Deployment]],
    ) -> None:
        self._database = database
        self._seed = seed
        self._log_failure = log_failure
        self._auto_arms = auto_arms
        self._lock = threading.RLock()
        self._state: LearnedState | None = None
        self._is_torn = False
        self._is_behind = False
        self._saved_at = 0
        self._draws: np.random.Generator | None = None
        self._arms: _Arms | None = None

    def after_fork(self) -> None:
        """Start anew in a child: its lock may be held by a thread that is not there."""
        self._lock = threading.RLock()
        self._state = None
        self._draws = None
        if self._seed is not None:
            self._seed += os.getpid()  # else siblings would draw alike

    @property
    def state(self) -> LearnedState | None:
        """The copy as it stands; ``None`` before the first call."""
        return self._state

    async def choose(self, io: IO, call: Call, baseline: str | None) -> Choice:
        """Propose a distribution over the call's candidates.

        Raises:
            NoEligibleModelError: The objective's limits rule every candidate out.
            StorageError: The log cannot be read, so the call could not be logged either.
        """
        await self.catch_up(io)
        arms = self._arms_of(call)
        base = arms.ids.index(baseline) if baseline in arms.ids else 0
        with self._lock:
            choice = self._choose(call, arms, base)
        if not choice.ranking:
            raise _none_left(call, choice.proposal)
        return choice

    def _arms_of(self, call: Call) -> _Arms:
        known = self._arms
        if (
            known is not None
            and known.candidates is call.candidates
            and known.output_cap == call.output_cap
        ):
            return known
        from trunkline.policies import ArmInfo

        infos = tuple(
            ArmInfo(d.id, d.model.prices, _cap(call, d.model.max_output), d.model.quality)
            for d in call.candidates
        )
        arms = self._arms = _Arms(
            candidates=call.candidates,
            output_cap=call.output_cap,
            infos=infos,
            ids=tuple(info.arm for info in infos),
            price_versions=tuple(_price_version(info.prices) for info in infos),
        )
        return arms

    async def catch_up(self, io: IO) -> None:
        """Read the log to its end, where this process never did so or has fallen far behind."""
        with self._lock:  # a fold under way in another thread is no torn state
            if self._state is not None and not self._is_torn and not self._is_behind:
                return
        found = await _store.read(io, self._database, lambda c: learned.load_snapshot(c, SNAPSHOT))
        state = self._start(found)
        while rows := await _store.read(
            io,
            self._database,
            lambda c, after=state.cursor: events.read_after(c, after, ROWS_A_READ),  # type: ignore[misc]
        ):
            for row in rows:
                self._fold_one(state, row)
        with self._lock:
            # Another thread may have read further meanwhile, and learning never goes back.
            if self._state is None or self._is_torn or state.cursor > self._state.cursor:
                self._state = state
            self._is_torn = self._is_behind = False

    def _start(self, found: Snapshot | None) -> LearnedState:
        """Return where to read on from, free to fold into: our own state or a later snapshot."""
        from trunkline.routing.state import LearnedState

        with self._lock:
            own = None if self._state is None or self._is_torn else self._state.to_bytes()
            cursor = 0 if self._state is None or own is None else self._state.cursor
            if found is not None and found.event_id > cursor:
                try:
                    state = LearnedState.from_bytes(found.state)
                except Exception as error:  # noqa: BLE001  # a snapshot is only a short cut
                    self._log_failure("reading the snapshot, so the log is,", error)
                else:
                    self._saved_at = max(self._saved_at, state.cursor)
                    return state
        return LearnedState() if own is None else LearnedState.from_bytes(own)

    def gap(self, connection: Connection) -> Gap:
        """Read the rows after the cursor, at most 64, inside the caller's transaction."""
        state = self._state
        if state is None:
            return Gap(0, ())
        after = state.cursor
        return Gap(after, events.read_after(connection, after, ROWS_A_CALL))

    def fold(self, gap: Gap) -> None:
        """Fold committed rows; those another thread folded meanwhile are passed over.

        Rows that do not continue the state are left: the next call reads on from where it stands.
        """
        with self._lock:
            state = self._state
            if state is None or self._is_torn:
                return
            self._is_behind = gap.after > state.cursor or len(gap.rows) >= ROWS_A_CALL
            if gap.after > state.cursor:
                return
            # An interrupt between two sums would leave a state that no log gives: rebuild then.
            self._is_torn = True
            for row in gap.rows:
                if row.id > state.cursor:
                    self._fold_one(state, row)
            self._is_torn = False

    def _fold_one(self, state: LearnedState, row: EventRow) -> None:
        """Fold a row; one that cannot be is passed over, here as in every rebuild."""
        try:
            state.fold(row)
        except Exception as error:  # noqa: BLE001  # the named boundary: learning never fails a call
            self._log_failure(f"learning from event {row.id}", error)

    def snapshot_due(self, every: int | None = None) -> Snapshot | None:
        """Return the state to save, once in a few thousand events past the one that is saved."""
        with self._lock:
            state = self._state
            if state is None or self._is_torn:
                return None
            if state.cursor - self._saved_at < (SNAPSHOT_EVERY if every is None else every):
                return None
            self._saved_at = state.cursor
            return learned.Snapshot(state.cursor, SNAPSHOT_VERSION, state.to_bytes())

    def close(self) -> None:
        """Save what the next process would have to read again; one try."""
        if (due := self.snapshot_due(SNAPSHOT_ON_CLOSE)) is None:
            return
        try:
            self._database.write(lambda c: learned.save_snapshot(c, SNAPSHOT, *due))
        except Exception as error:  # noqa: BLE001  # a snapshot only saves time
            self._log_failure("saving a snapshot", error)

    def _choose(self, call: Call, known_arms: _Arms, baseline: int) -> Choice:
        from trunkline import policies
        from trunkline.routing import constants

        state = self._state
        assert state is not None  # noqa: S101  # choose() has caught up
        objective = call.settings.objective
        key = constants.objective_key(objective)
        cost_ref, priors, new = self._constants(call, known_arms, key, state)
        arms = known_arms.infos
        if priors:  # what this call goes by is what it logs
            arms = tuple(replace(a, prior_quality=priors.get(a.arm, a.prior_quality)) for a in arms)
        x = features.encode(call.params)
        context = policies.Context(
            x=features.decode(x),
            objective=objective,
            cost_ref_nanousd=cost_ref,
            latency_ref_s=objective.latency_ref_s or constants.DEFAULT_LATENCY_REF_S,
            input_tokens=float(call.input_tokens),
            explore=call.explore,
            baseline=baseline,
        )
        policy, proposal, predicted, words = self._propose(call, context, arms, state)

        def terms(index: int) -> dict[str, dict[str, float]]:
            if not isinstance(policy, policies.Learned):
                return {}
            try:
                return policy.terms(proposal, index, context, arms, state)
            except Exception as error:  # noqa: BLE001  # an explanation never fails a call
                self._log_failure("explaining a decision", error)
                return {}

        return Choice(
            x=x,
            feature_version=features.FEATURE_VERSION,
            arms=known_arms.ids,
            price_versions=known_arms.price_versions,
            proposal=proposal,
            probabilities=proposal.probabilities,
            ranking=proposal.ranking,
            u=self._draw(len(arms)),
            policy=str(policy.name),
            reason_words=words,
            objective_key=key,
            constants=new,
            predicted=predicted,
            cursor=state.cursor,
            terms=terms,
        )

    def _constants(
        self, call: Call, arms: _Arms, key: str, state: LearnedState
    ) -> tuple[int, dict[str, float], tuple[dict[str, Any], ...]]:
        """Return the reference cost, priors fixed by this call, and the events that fix them.

        They stay for ever, so they are set by everything the router chooses among: never by an
        explicit call, nor by what one request or one list of models left over.
        """
        from trunkline.routing import constants

        own = call.settings.objective.cost_ref_usd
        cost_ref = nanousd(own) if own is not None else state.cost_refs.get(key)
        if call.is_explicit:
            prices = (a.prices for a in arms.infos)
            return cost_ref or constants.default_cost_ref(prices), {}, ()
        if cost_ref is not None and all(arm in state.priors for arm in arms.ids):
            return cost_ref, {}, ()
        all_arms = self._all_arms(call)
        new: list[dict[str, Any]] = []
        if cost_ref is None:
            cost_ref = constants.default_cost_ref(a.prices for a in all_arms)
            new.append({"name": "cost_ref", "objective_key": key, "value": cost_ref})
        priors = constants.price_priors(all_arms, state.priors)
        new += [{"name": "prior", "arm": arm, "value": value} for arm, value in priors.items()]
        return cost_ref, priors, tuple(new)

    def _all_arms(self, call: Call) -> list[ArmInfo]:
        """Return the router's arms and all that the requested name means, able or not."""
        from trunkline.policies import ArmInfo

        ruled_out = (deployment for deployment, _ in call.ruled_out)
        found = {d.id: d for d in (*self._auto_arms(), *call.candidates, *ruled_out)}
        return [ArmInfo(d.id, d.model.prices, None, d.model.quality) for d in found.values()]

    def _propose(
        self, call: Call, context: Context, arms: Sequence[ArmInfo], state: LearnedState
    ) -> tuple[Policy, Proposal, _Logged, str]:
        from trunkline import policies

        if call.is_explicit:
            # No hard limit of the objective swaps or refuses a model the caller named.
            proposal = _named(context, arms, state)
            return policies.Baseline(), proposal, proposal.predictions.rounded(), call.reason
        policy = policy_of(call.settings.policy)
        is_own = isinstance(call.settings.policy, str)
        try:
            proposal = policy.propose(context, arms, state)
            if not is_own:
                proposal = _plain(proposal)
            _check(proposal, len(arms))
            predicted = proposal.predictions.rounded()
            if not is_own:
                _check_predicted(predicted, len(arms))
        except Exception as error:  # noqa: BLE001  # the named boundary: learning never fails a call
            self._log_failure(f"policy {policy.name!r}", error)
            fallback = policies.Baseline()
            proposal = fallback.propose(context, arms, type(state)())
            words = f"baseline, because policy {policy.name!r} failed"
            return fallback, proposal, proposal.predictions.rounded(), words
        return policy, proposal, predicted, proposal.reason

    def _draw(self, n: int) -> float:
        if n < 2:
            return 0.0
        if self._draws is None:
            import numpy as np

            self._draws = np.random.Generator(np.random.Philox(self._seed))
        return float(self._draws.random())


def policy_of(policy: Any) -> Policy:
    """Return the policy that a name or an object means."""
    return _named_policy(policy) if isinstance(policy, str) else policy


@cache
def _named_policy(name: str) -> Policy:
    from trunkline import policies

    named: dict[str, Callable[[], Policy]] = {
        "learned": policies.Learned,
        "cheapest": policies.Cheapest,
        "fastest": policies.Fastest,
        "baseline": policies.Baseline,
    }
    return named[name]()


def read_decision(row: EventRow) -> Decision:
    """Read a decision event back into the record that ``plan`` makes."""
    body = row.body
    predicted = body["predicted"]
    candidates: tuple[Candidate, ...] = tuple(
        _candidate(body, i, arm, _logged(predicted, i)) for i, arm in enumerate(body["arms"])
    )
    listed = {c.id for c in candidates}
    out = tuple(
        Candidate(provider=arm.partition("/")[0], model=arm.partition("/")[2], ruled_out=why)
        for arm, why in body["ruled_out"]
        if arm not in listed
    )
    why_not = dict(body["ruled_out"])
    candidates = tuple(
        c if c.ruled_out or c.id not in why_not else _with_reason(c, why_not[c.id])
        for c in candidates
    )
    chosen = candidates[int(body["chosen"])]
    return Decision(
        id=row.call_id,
        requested=body["requested"],
        chosen=chosen,
        candidates=(*candidates, *out),
        reason=body["reason"],
        explored=body["explored"],
        propensity=chosen.propensity,
        policy=body["policy"],
        objective=Objective(**body["objective"]),
        eps=body["eps"],
        at=row.at,
        terms=body["terms"],
    )


def _with_reason(candidate: Candidate, why: str) -> Candidate:
    return replace(candidate, ruled_out=why)


def _candidate(body: dict[str, Any], i: int, arm: str, expected: Prediction) -> Candidate:
    provider, _, model = arm.partition("/")
    return Candidate(
        provider=provider,
        model=model,
        ruled_out=body["mask"][i],
        utility=body["utility"][i],
        propensity_before=body["p"][i],
        propensity=body["p2"][i],
        predicted=expected,
    )


def _named(context: Context, arms: Sequence[ArmInfo], state: LearnedState) -> Proposal:
    from trunkline.policies import Proposal
    from trunkline.routing.predictions import predict

    predictions = predict(context, arms, state)
    return Proposal(
        probabilities=(1.0,),
        ranking=(0,),
        best=0,
        eps=0.0,
        predictions=predictions,
        reasons=(None,),
        utilities=tuple(predictions.utility.tolist()),
        explore_set=(0,),
        reason="named",
    )


def _plain(proposal: Proposal) -> Proposal:
    """Turn the arrays a policy may answer with into the numbers that are logged."""
    return replace(
        proposal,
        probabilities=tuple(float(p) for p in proposal.probabilities),
        ranking=tuple(int(i) for i in proposal.ranking),
        utilities=tuple(float(u) for u in proposal.utilities),
        reasons=tuple(None if why is None else str(why) for why in proposal.reasons),
        best=int(proposal.best),
        eps=float(proposal.eps),
        reason=str(proposal.reason),
    )


def _check(proposal: Proposal, n: int) -> None:
    p = proposal.probabilities
    predicted = len(proposal.predictions.utility)
    if not n == len(proposal.reasons) == len(proposal.utilities) == predicted:
        raise ValueError("reasons, utilities and predictions must be one per candidate")
    if not set(proposal.ranking) <= set(range(n)):
        raise ValueError("ranking must hold indexes of candidates")
    if len(p) != n or not min(p) >= 0 or not max(p) <= 1 or not isfinite(sum(p)):
        raise ValueError("probabilities must be one number from 0 to 1 per candidate")
    if proposal.ranking and abs(sum(p) - 1) > 1e-9:
        raise ValueError(f"probabilities sum to {sum(p)}, not 1")
    drawable = {i for i, q in enumerate(p) if q > 0}
    if not drawable <= set(proposal.ranking):
        raise ValueError("a candidate with a probability is missing from the ranking")


def _check_predicted(predicted: _Logged, n: int) -> None:
    for name, column in predicted.items():
        if len(column) != n or not all(v is None or isinstance(v, int | float) for v in column):
            raise ValueError(f"predictions.{name} must be one number per candidate")


def _none_left(call: Call, proposal: Proposal) -> NoEligibleModelError:
    candidates = [
        Candidate(provider=d.provider, model=d.model.id, ruled_out=why)
        for d, why in (
            *zip(call.candidates, proposal.reasons, strict=True),
            *call.ruled_out,
        )
    ]
    words = "; ".join(f"{c.id}: {c.ruled_out}" for c in candidates)
    return NoEligibleModelError(
        f"the objective's limits rule out every candidate of {call.requested!r} ({words})",
        candidates=candidates,
        routing_id=call.id,
    )


def _cap(call: Call, max_output: int | None) -> int | None:
    if call.output_cap is None:
        return max_output
    return call.output_cap if max_output is None else min(call.output_cap, max_output)


def _price_version(prices: Any) -> str | None:
    return None if prices is None else prices.version


def _logged(p: dict[str, list[Any]], i: int) -> Prediction:
    return Prediction(
        cost_usd=_usd(p["cost_nanousd"][i]),
        cost_low_usd=_usd(p["cost_low_nanousd"][i]),
        cost_high_usd=_usd(p["cost_high_nanousd"][i]),
        latency_s=p["latency_s"][i],
        latency_low_s=p["latency_low_s"][i],
        latency_high_s=p["latency_high_s"][i],
        quality=p["quality"][i],
        quality_low=p["quality_low"][i],
        quality_high=p["quality_high"][i],
        quality_is_prior=p["quality_is_prior"][i],
        output_tokens=p["output_tokens"][i],
    )


def _usd(nano: float | None) -> Decimal | None:
    return None if nano is None or not isfinite(nano) else usd(round(nano))


@lru_cache(maxsize=64)
def _objective_record(objective: Objective) -> dict[str, Any]:
    names = ("quality", "cost", "latency", "latency_ref_s", "min_quality", "max_latency_s")
    money = ("cost_ref_usd", "max_cost_usd")
    return {
        **{name: getattr(objective, name) for name in names},
        **{n: None if (v := getattr(objective, n)) is None else str(v) for n in money},
    }
