"""Quality, cost and latency of every candidate, with ranges, before anything is sent.

Decides what to expect. Does not decide what to do about it (``policies``).

Cost is not learned as such: prices are known, so only the length of the answer and the tokenizer's
factor are. A price change therefore shows in the next prediction.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite, nan
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .constants import price_priors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trunkline.catalog.models import Prices
    from trunkline.types.routing import Objective

    from .state import LearnedState

    FloatArray = NDArray[np.float64]
    BoolArray = NDArray[np.bool_]

_FEW = 10  # scores below which an arm counts as unknown
_INPUT_WEIGHT = 2000.0  # tokens an arm must have reported before its own factor counts half
_MAX_LOG = 16.0  # beyond any answer's tokens or seconds; keeps exp finite
_PICO_PER_NANO = 1000.0
_LOGGED: tuple[str, ...] = (
    "quality",
    "quality_low",
    "quality_high",
    "cost_nanousd",
    "cost_low_nanousd",
    "cost_high_nanousd",
    "latency_s",
    "latency_low_s",
    "latency_high_s",
    "output_tokens",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One request as a policy sees it.

    Attributes:
        x: Features, shape (d,), from ``features.decode``.
        objective: What the caller wants.
        cost_ref_nanousd: The cost that counts as 1, above 0.
        latency_ref_s: The latency that counts as 1, above 0.
        input_tokens: Estimated input tokens, before any arm's own correction.
        explore: ``False`` for a call that must take the best; ``None`` and ``True`` allow it.
        baseline: Index of the baseline among the candidates, -1 where it is none of them.
    """

    x: FloatArray
    objective: Objective
    cost_ref_nanousd: int
    latency_ref_s: float
    input_tokens: float
    explore: bool | None = None
    baseline: int = 0


@dataclass(frozen=True, slots=True)
class ArmInfo:
    """One candidate as a policy sees it.

    Attributes:
        arm: ``provider/model``.
        prices: ``None`` where unknown.
        output_cap: Most tokens it may answer with, ``None`` where unknown.
        prior_quality: The caller's own belief, instead of the guess from the price.
    """

    arm: str
    prices: Prices | None
    output_cap: int | None = None
    prior_quality: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """Arrays in candidate order; low and high are 90 % ranges of what one call will show.

    Attributes:
        quality: Expected score, in [0, 1].
        quality_sd: How unsure that expectation is, apart from the noise of single scores; 1 for an
            arm that was hardly scored.
        quality_is_prior: Whether the arm was never scored, so that its quality is a belief.
        cost_nanousd: ``nan`` where the price is unknown.
        utility: quality·q - cost·c/cost_ref - latency·l/latency_ref.
    """

    quality: FloatArray
    quality_low: FloatArray
    quality_high: FloatArray
    quality_sd: FloatArray
    quality_is_prior: BoolArray
    cost_nanousd: FloatArray
    cost_low_nanousd: FloatArray
    cost_high_nanousd: FloatArray
    latency_s: FloatArray
    latency_low_s: FloatArray
    latency_high_s: FloatArray
    output_tokens: FloatArray
    utility: FloatArray

    def rounded(self) -> dict[str, list[float | bool | None]]:
        """Return the figures as the log keeps them: four decimals, ``None`` for unknown costs."""
        table = np.array([getattr(self, name) for name in _LOGGED]).round(4)
        rows: list[list[float | bool | None]] = table.tolist()
        if np.isnan(table).any():
            rows = [[None if v != v else v for v in row] for row in rows]
        is_prior: list[float | bool | None] = self.quality_is_prior.tolist()
        return {**dict(zip(_LOGGED, rows, strict=True)), "quality_is_prior": is_prior}


class Lineup(NamedTuple):
    """What depends on the candidates alone; kept while they and what is known of them stay.

    Attributes:
        rows: Row of each candidate in the heads, -1 for one that was never seen.
        has_new: Whether there is such a one.
        from_prior: From the mean that the head predicts for an unscored arm to that of its own.
        caps: Most output tokens, ``inf`` where unknown.
        prices: Shape (n, 3); ``None`` where they depend on the length of the input.
        has_prices: Whether every price is known.
    """

    candidates: Sequence[ArmInfo]
    rows: NDArray[np.intp]
    has_new: bool
    from_prior: FloatArray
    caps: FloatArray
    prices: FloatArray | None
    has_prices: bool


class _Quality(NamedTuple):
    mean: FloatArray
    low: FloatArray
    high: FloatArray
    sd: FloatArray
    is_prior: BoolArray


def predict(context: Context, candidates: Sequence[ArmInfo], state: LearnedState) -> Predictions:
    """Predict every candidate from the learned state.

    Raises:
        ValueError: The context is not finite.
    """
    if not np.isfinite(context.x).all() or not isfinite(context.input_tokens):
        raise ValueError("the context must be finite")
    lineup = _lineup(candidates, state)
    quality = _quality(context.x, lineup, state)
    tokens, seconds = _outcome(context.x, lineup, state)
    inputs = context.input_tokens * _input_factor(lineup.rows, state)
    cost = _cost(lineup, inputs, tokens)
    return Predictions(
        quality=quality.mean,
        quality_low=quality.low,
        quality_high=quality.high,
        quality_sd=quality.sd,
        quality_is_prior=quality.is_prior,
        cost_nanousd=cost[1],
        cost_low_nanousd=cost[0],
        cost_high_nanousd=cost[2],
        latency_s=seconds[1],
        latency_low_s=seconds[0],
        latency_high_s=seconds[2],
        output_tokens=tokens[1],
        utility=_utility(context, lineup, quality.mean, cost[1], seconds[1]),
    )


def _lineup(candidates: Sequence[ArmInfo], state: LearnedState) -> Lineup:
    """Return what is known of the candidates; calls in a row mostly have the same."""
    known = state.lineup
    if known is not None and known.candidates is candidates:
        return known
    rows = np.array([state.arms.get(a.arm, -1) for a in candidates])
    priors = state.priors | price_priors(candidates, state.priors)
    own = np.array([priors[a.arm] for a in candidates])
    has_tiers = any(a.prices is not None and a.prices.tiers for a in candidates)
    lineup = Lineup(
        candidates=candidates,
        rows=rows,
        has_new=bool((rows < 0).any()),
        # An arm without a constant or a row stands on the default prior.
        from_prior=own - state.quality.prior[rows, 0],
        caps=np.array([inf if a.output_cap is None else a.output_cap for a in candidates]),
        prices=None if has_tiers else np.array([_prices(a.prices, 0) for a in candidates]),
        has_prices=all(a.prices is not None for a in candidates),
    )
    if isinstance(candidates, tuple):  # a list may be changed before it comes again
        state.lineup = lineup
    return lineup


def _quality(x: FloatArray, lineup: Lineup, state: LearnedState) -> _Quality:
    rows = lineup.rows
    means, variances = state.quality.means_and_variances(x)
    mean: FloatArray = means[rows, 0]
    scored: FloatArray = state.scored[rows]
    if lineup.has_new:
        scored[rows < 0] = 0.0
    is_prior: BoolArray = scored == 0
    if is_prior.any():
        mean = np.where(is_prior, mean + lineup.from_prior, mean)
    variance = variances[rows]
    noise = state.noise_sd
    spread = noise * np.sqrt(1.0 + variance)
    ends = state.quality_ends.ends[rows, 0]
    values = np.empty((3, len(rows)))
    values[0], values[1], values[2] = mean, mean + spread * ends[:, 0], mean + spread * ends[:, 1]
    expected, low, high = np.minimum(np.maximum(values, 0.0), 1.0)
    return _Quality(
        mean=expected,
        low=low,
        high=high,
        # The posterior takes all arms for kin; a newcomer may be none, so few scores prove nothing.
        sd=np.where(scored < _FEW, 1.0, noise * np.sqrt(variance)),
        is_prior=is_prior,
    )


def _outcome(x: FloatArray, lineup: Lineup, state: LearnedState) -> tuple[FloatArray, FloatArray]:
    """Return (low, expected, high) of output tokens and of seconds, each of shape (3, n)."""
    mean: FloatArray = state.outcome.means(x)[lineup.rows]
    ends = state.outcome_ends.ends[lineup.rows]
    logs = np.empty((3, *mean.shape))
    logs[0], logs[1], logs[2] = mean + ends[..., 0], mean, mean + ends[..., 1]
    values = np.exp(np.minimum(logs, _MAX_LOG))
    return np.minimum(np.maximum(values[..., 0], 1.0), lineup.caps), values[..., 1]


def _input_factor(rows: NDArray[np.intp], state: LearnedState) -> FloatArray:
    """Return reported over estimated input tokens per arm, shrunk to all arms' and those to 1."""
    reported, estimated = state.inputs[:, 0], state.inputs[:, 1]
    pooled = (reported[-1] + _INPUT_WEIGHT) / (estimated[-1] + _INPUT_WEIGHT)
    factor: FloatArray = (reported + _INPUT_WEIGHT * pooled) / (estimated + _INPUT_WEIGHT)
    factor[-1] = pooled
    return factor[rows]


def _cost(lineup: Lineup, inputs: FloatArray, tokens: FloatArray) -> FloatArray:
    """Return nano-dollars, shape (3, n), at the rates each input length falls under."""
    price = lineup.prices
    if price is None:
        lengths = zip(lineup.candidates, inputs.tolist(), strict=True)
        price = np.array([_prices(a.prices, n) for a, n in lengths])
    return (inputs * price[:, 0] + tokens * price[:, 1]) / _PICO_PER_NANO + price[:, 2]


def _prices(prices: Prices | None, input_tokens: float) -> tuple[float, float, float]:
    """Return input and output rate in pico-dollars, and the fee in nano-dollars."""
    if prices is None:
        return nan, nan, nan
    rates = prices.base
    for above, tier in prices.tiers:
        if input_tokens > above:
            rates = tier
    return rates.input, rates.output, prices.per_call_nanousd


def _utility(
    context: Context, lineup: Lineup, quality: FloatArray, cost: FloatArray, latency: FloatArray
) -> FloatArray:
    objective = context.objective
    known = cost if lineup.has_prices else priced(cost)
    utility: FloatArray = objective.quality * quality - known * (
        objective.cost / context.cost_ref_nanousd
    )
    if objective.latency:
        utility = utility - latency * (objective.latency / context.latency_ref_s)
    return utility


def priced(cost: FloatArray) -> FloatArray:
    """Stand in for unknown costs: the dearest known one, so that ignorance never looks cheap."""
    unknown = np.isnan(cost)
    if not unknown.any():
        return cost
    known = cost[~unknown]
    return np.where(unknown, known.max() if len(known) else 0.0, cost)
