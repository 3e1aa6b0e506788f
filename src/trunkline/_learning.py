"""Choosing with what was learned, and keeping it the fold of committed rows.

The process's copy of ``LearnedState`` moves only by rows read back from the log, in id order, so
every process agrees with every other and with a rebuild. Whatever goes wrong in here degrades a
choice to the baseline and is logged; it never fails a call.
"""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from functools import cache
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

from trunkline import _store
from trunkline._decisions import Choice, none_left
from trunkline.routing import features
from trunkline.storage import events, learned
from trunkline.types.money import nanousd

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    from trunkline._admission import Call
    from trunkline._decisions import Logged
    from trunkline._io.protocol import IO
    from trunkline.catalog.models import Deployment
    from trunkline.policies import ArmInfo, Context, Policy, Proposal
    from trunkline.routing.state import LearnedState
    from trunkline.storage.connection import Connection
    from trunkline.storage.database import Database
    from trunkline.storage.learned import Snapshot
    from trunkline.storage.records import EventRow

ROWS_A_CALL = 64
ROWS_A_READ = 1000
SNAPSHOT_EVERY = 5000
SNAPSHOT_ON_CLOSE = 500  # a short-lived process saves the next one so much reading
SNAPSHOT, SNAPSHOT_VERSION = "learned", 1


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
            raise none_left(call, choice.proposal)
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
    ) -> tuple[Policy, Proposal, Logged, str]:
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


def _check_predicted(predicted: Logged, n: int) -> None:
    for name, column in predicted.items():
        if len(column) != n or not all(v is None or isinstance(v, int | float) for v in column):
            raise ValueError(f"predictions.{name} must be one number per candidate")


def _cap(call: Call, max_output: int | None) -> int | None:
    if call.output_cap is None:
        return max_output
    return call.output_cap if max_output is None else min(call.output_cap, max_output)


def _price_version(prices: Any) -> str | None:
    return None if prices is None else prices.version
