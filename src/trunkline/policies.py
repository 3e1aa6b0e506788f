"""Which candidate to ask: the public policies and the protocol to write one's own.

A policy turns predictions into a distribution over the candidates. It does not draw (the ledger
does, inside its transaction), does no I/O and never decides who may ask what.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Protocol

import numpy as np

from trunkline.errors import ConfigurationError
from trunkline.routing.constants import objective_key
from trunkline.routing.distribution import mixture
from trunkline.routing.features import NAMES
from trunkline.routing.predictions import ArmInfo, Context, Predictions, predict, priced
from trunkline.types.money import nanousd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trunkline.routing.state import LearnedState
    from trunkline.types.routing import Objective

    FloatArray = NDArray[np.float64]

__all__ = [
    "ArmInfo",
    "Baseline",
    "Cheapest",
    "Context",
    "Fastest",
    "Learned",
    "Policy",
    "Predictions",
    "Proposal",
]

_DOUBT = 2.0  # standard deviations: 2 lost less than none, 1 or 3 on the development tables
PAUSE_AFTER = 200  # routed calls without a signal, after which exploring would teach nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A distribution over the candidates, and what it rests on.

    Attributes:
        probabilities: One per candidate, summing to 1; all 0 where every candidate is ruled out.
        ranking: Eligible candidates, best first; empty where every candidate is ruled out.
        best: Index of the best, -1 where there is none.
        eps: Probability spread evenly over ``explore_set``.
        predictions: What was expected of each candidate.
        reasons: Per candidate, why it is ruled out, or ``None``.
        utilities: What the ranking follows, per candidate.
        explore_set: Indexes that exploration may draw, the best included.
        reason: Why the best is the best: ``"learned"``, ``"prior"`` or the policy's name.
    """

    probabilities: tuple[float, ...]
    ranking: tuple[int, ...]
    best: int
    eps: float
    predictions: Predictions
    reasons: tuple[str | None, ...]
    utilities: tuple[float, ...]
    explore_set: tuple[int, ...]
    reason: str


class Policy(Protocol):
    """Anything that proposes; no randomness, no I/O, the same answer for the same arguments."""

    @property
    def name(self) -> str:
        """What the log calls it."""
        ...

    def propose(
        self, context: Context, candidates: Sequence[ArmInfo], state: LearnedState
    ) -> Proposal:
        """Return a distribution over ``candidates``, arrays in their order."""
        ...


class Learned:
    """Take the best by learned utility; explore a little, less and less, within the price gate.

    Args:
        explore_floor: Least probability of exploring once signals come in, kept for ever so that
            the log can answer "what if"; 0 lets it die out.
        eps_max: Most probability of exploring.
        c: Exploration is c·K/(t + K) after t signals over K candidates.
    """

    name = "learned"

    def __init__(
        self, explore_floor: float = 0.01, *, eps_max: float = 0.3, c: float = 2.0
    ) -> None:
        for label, value in (("explore_floor", explore_floor), ("eps_max", eps_max)):
            if not (_is_number(value) and 0 <= value <= 1):
                raise ConfigurationError(f"Learned {label}={value!r} must be from 0 to 1")
        if not (_is_number(c) and c >= 0):
            raise ConfigurationError(f"Learned c={c!r} must be a finite number, 0 or more")
        if explore_floor > eps_max:
            raise ConfigurationError("Learned explore_floor must not be above eps_max")
        self.explore_floor, self.eps_max, self.c = explore_floor, eps_max, c

    def __repr__(self) -> str:
        return f"Learned(explore_floor={self.explore_floor}, eps_max={self.eps_max}, c={self.c})"

    def propose(
        self, context: Context, candidates: Sequence[ArmInfo], state: LearnedState
    ) -> Proposal:
        """Propose; before any quality signal the baseline or a clearly better prior."""
        predictions = predict(context, candidates, state)
        reasons = ruled_out(context.objective, predictions)
        utilities = predictions.utility.tolist()
        eligible = [i for i, reason in enumerate(reasons) if reason is None]
        learned = state.total_signals > 0
        if not learned:
            utilities = _never_below_baseline(context, predictions, utilities, eligible)
        favoured = -1 if learned else context.baseline
        ranking = _ranked(eligible, utilities, candidates, favoured=favoured)
        explored, eps = ranking[:1], 0.0
        if learned and context.explore is not False:
            explored, eps = self._exploration(context, predictions, ranking, state)
        return _proposal(
            predictions,
            reasons,
            utilities,
            ranking,
            explored,
            eps,
            "learned" if learned else "prior",
        )

    def _exploration(
        self,
        context: Context,
        predictions: Predictions,
        ranking: tuple[int, ...],
        state: LearnedState,
    ) -> tuple[tuple[int, ...], float]:
        """Return which arms to try and with what probability in all.

        While it decays, exploration goes to arms that may be better for all we know; the floor goes
        to every arm within the price gate, so that the log can speak for them later.
        """
        n = len(ranking)
        t = state.signals.get(objective_key(context.objective), 0)
        eps = min(self.eps_max, self.c * n / (t + n)) if n else 0.0
        decaying = eps > self.explore_floor
        explored = _worth_a_try(context, predictions, ranking, doubtful=decaying)
        if state.idle > PAUSE_AFTER or len(explored) < 2:
            return ranking[:1], 0.0
        return explored, max(eps, self.explore_floor)

    def terms(
        self,
        proposal: Proposal,
        index: int,
        context: Context,
        candidates: Sequence[ArmInfo],
        state: LearnedState,
        *,
        top: int = 3,
    ) -> dict[str, dict[str, float]]:
        """Explain a candidate's utility: its parts, and the features that speak for or against it.

        All of it is linear, so the explanation is the model: ``"utility"`` sums to U, and
        ``"features"`` are the ``top`` largest (w_a - w_b)·x against the best other candidate b.
        """
        expected, wants = proposal.predictions, context.objective
        cost = priced(expected.cost_nanousd)
        parts = {
            "quality": wants.quality * float(expected.quality[index]),
            "cost": -wants.cost * float(cost[index]) / context.cost_ref_nanousd,
            "latency": -wants.latency * float(expected.latency_s[index]) / context.latency_ref_s,
        }
        rival = next((i for i in proposal.ranking if i != index), None)
        if rival is None:
            return {"utility": parts, "features": {}}
        mine, other = (state.arms.get(candidates[i].arm, -1) for i in (index, rival))
        gap = (state.quality.weights(mine) - state.quality.weights(other))[:, 0] * context.x
        largest = np.argsort(-np.abs(gap), kind="stable")[:top].tolist()
        return {"utility": parts, "features": {NAMES[i]: float(gap[i]) for i in largest}}


class Cheapest:
    """Take the candidate of least expected cost, among those of a quality if one is asked."""

    name = "cheapest"

    def __init__(self, min_quality: float | None = None) -> None:
        if min_quality is not None and not (_is_number(min_quality) and 0 <= min_quality <= 1):
            raise ConfigurationError(f"Cheapest min_quality={min_quality!r} must be from 0 to 1")
        self.min_quality = min_quality

    def __repr__(self) -> str:
        return f"Cheapest(min_quality={self.min_quality})"

    def propose(
        self, context: Context, candidates: Sequence[ArmInfo], state: LearnedState
    ) -> Proposal:
        """Propose the cheapest with certainty; an unknown price counts as the dearest."""
        predictions = predict(context, candidates, state)
        reasons = list(ruled_out(context.objective, predictions))
        if self.min_quality is not None:
            _rule_out_below(self.min_quality, predictions.quality, reasons)
        return _certain(
            predictions, reasons, -priced(predictions.cost_nanousd), candidates, "cheapest"
        )


class Fastest:
    """Take the candidate of least expected latency."""

    name = "fastest"

    def __repr__(self) -> str:
        return "Fastest()"

    def propose(
        self, context: Context, candidates: Sequence[ArmInfo], state: LearnedState
    ) -> Proposal:
        """Propose the fastest with certainty."""
        predictions = predict(context, candidates, state)
        reasons = ruled_out(context.objective, predictions)
        return _certain(predictions, reasons, -predictions.latency_s, candidates, "fastest")


class Baseline:
    """Take the baseline wherever it is eligible, else the best by utility."""

    name = "baseline"

    def __repr__(self) -> str:
        return "Baseline()"

    def propose(
        self, context: Context, candidates: Sequence[ArmInfo], state: LearnedState
    ) -> Proposal:
        """Propose the baseline with certainty."""
        predictions = predict(context, candidates, state)
        reasons = ruled_out(context.objective, predictions)
        score = predictions.utility.copy()
        if context.baseline >= 0:
            score[context.baseline] = np.inf
        return _certain(predictions, reasons, score, candidates, "baseline")


def ruled_out(objective: Objective, predictions: Predictions) -> tuple[str | None, ...]:
    """Say per candidate which hard limit of the objective it is expected to break, or ``None``."""
    reasons: list[str | None] = [None] * len(predictions.quality)
    if objective.min_quality is not None:
        _rule_out_below(objective.min_quality, predictions.quality, reasons)
    if objective.max_cost_usd is not None:
        limit = nanousd(objective.max_cost_usd, name="max_cost_usd")
        for i, cost in enumerate(predictions.cost_nanousd.tolist()):
            if reasons[i] is None and not cost <= limit:
                reasons[i] = (
                    f"expected cost ${cost / 1e9:.6f} is above"
                    f" max_cost_usd={objective.max_cost_usd}"
                    if isfinite(cost)
                    else "price unknown, and max_cost_usd is set"
                )
    if objective.max_latency_s is not None:
        for i, seconds in enumerate(predictions.latency_s.tolist()):
            if reasons[i] is None and seconds > objective.max_latency_s:
                reasons[i] = (
                    f"expected latency {seconds:.1f} s is above"
                    f" max_latency_s={objective.max_latency_s:g}"
                )
    return tuple(reasons)


def _rule_out_below(least: float, quality: FloatArray, reasons: list[str | None]) -> None:
    for i, q in enumerate(quality.tolist()):
        if reasons[i] is None and q < least:
            reasons[i] = f"expected quality {q:.2f} is below min_quality={least:g}"


def _never_below_baseline(
    context: Context, predictions: Predictions, utilities: list[float], eligible: Sequence[int]
) -> list[float]:
    """Rank arms of lower prior quality than the baseline's behind all others.

    Without a signal nothing says that a cheaper arm is good enough, so it must not win on price.
    """
    if context.baseline not in eligible:
        return utilities
    quality = predictions.quality.tolist()
    least = quality[context.baseline]
    gap = 1.0 + max(utilities) - min(utilities)
    return [u if q >= least else u - gap for u, q in zip(utilities, quality, strict=True)]


def _ranked(
    eligible: Sequence[int],
    utilities: Sequence[float],
    candidates: Sequence[ArmInfo],
    *,
    favoured: int = -1,
) -> tuple[int, ...]:
    """Sort by utility; ties go to ``favoured``, then by name, so that order never matters."""
    return tuple(sorted(eligible, key=lambda i: (-utilities[i], i != favoured, candidates[i].arm)))


def _worth_a_try(
    context: Context, predictions: Predictions, ranking: tuple[int, ...], *, doubtful: bool
) -> tuple[int, ...]:
    """Return the best and every arm whose optimistic utility is not below the best's.

    Optimistic is a perfect score, so that only a price that eats more than perfection would gain
    rules an arm out; with ``doubtful``, no score beyond what is still in doubt about the arm.
    """
    gain = 1.0 - predictions.quality
    if doubtful:
        gain = np.minimum(gain, _DOUBT * predictions.quality_sd)
    optimistic = (predictions.utility + context.objective.quality * gain).tolist()
    least = float(predictions.utility[ranking[0]]) if ranking else 0.0
    return tuple(i for i in ranking if i == ranking[0] or optimistic[i] >= least)


def _certain(
    predictions: Predictions,
    reasons: Sequence[str | None],
    score: FloatArray,
    candidates: Sequence[ArmInfo],
    reason: str,
) -> Proposal:
    utilities = score.tolist()
    eligible = [i for i, why in enumerate(reasons) if why is None]
    ranking = _ranked(eligible, utilities, candidates)
    return _proposal(predictions, reasons, utilities, ranking, ranking[:1], 0.0, reason)


def _proposal(
    predictions: Predictions,
    reasons: Sequence[str | None],
    utilities: Sequence[float],
    ranking: tuple[int, ...],
    explored: Sequence[int],
    eps: float,
    reason: str,
) -> Proposal:
    n = len(reasons)
    best = ranking[0] if ranking else -1
    return Proposal(
        probabilities=mixture(best, explored, eps, n) if ranking else (0.0,) * n,
        ranking=ranking,
        best=best,
        eps=eps,
        predictions=predictions,
        reasons=tuple(reasons),
        utilities=tuple(utilities),
        explore_set=tuple(explored),
        reason=reason,
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
