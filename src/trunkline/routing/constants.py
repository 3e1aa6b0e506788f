"""What is fixed at first sight and then kept as an event: priors and the reference cost.

Decides the figures. Does not write the events: whoever commits the decision does, so that every
process reads the same constants from the log.
"""

from __future__ import annotations

from math import log, sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from trunkline.catalog.models import Prices
    from trunkline.types.routing import Objective

    from .predictions import ArmInfo

MEAN_QUALITY = 0.6  # of a model nobody has scored
_PER_SIGMA = 0.06  # what a standard deviation of log price is worth
_REFERENCE = (500, 300)  # tokens in and out of the call that costs 1
DEFAULT_LATENCY_REF_S = 10.0


def objective_key(objective: Objective) -> str:
    """Name an objective by its weights: what learning counts signals and references by."""
    return f"quality={objective.quality!r} cost={objective.cost!r} latency={objective.latency!r}"


def price_priors(candidates: Sequence[ArmInfo], known: Mapping[str, float]) -> dict[str, float]:
    """Return prior qualities of the candidates that have none in ``known``.

    0.6 + 0.06·z(log output price), z over the candidates that have a price: dearer models tend to
    be better, and a weak belief is enough to start from. ``ArmInfo.prior_quality`` overrides it.
    """
    if all(a.arm in known for a in candidates):
        return {}
    logs = {
        a.arm: log(a.prices.base.output)
        for a in candidates
        if a.prices is not None and a.prices.base.output > 0
    }
    mean = sum(logs.values()) / max(len(logs), 1)
    spread = sqrt(sum((v - mean) ** 2 for v in logs.values()) / max(len(logs), 1))
    priors: dict[str, float] = {}
    for a in candidates:
        if a.arm in known:
            continue
        z = (logs[a.arm] - mean) / spread if a.arm in logs and spread > 0 else 0.0
        guess = min(1.0, max(0.0, MEAN_QUALITY + _PER_SIGMA * z))
        priors[a.arm] = guess if a.prior_quality is None else a.prior_quality
    return priors


def default_cost_ref(prices: Iterable[Prices | None]) -> int:
    """Return the dearest arm's price of 500 + 300 tokens in nano-dollars, at least 1."""
    tokens_in, tokens_out = _REFERENCE
    pico = (
        p.base.input * tokens_in + p.base.output * tokens_out + p.per_call_nanousd * 1000
        for p in prices
        if p is not None
    )
    return max(1, -(-max(pico, default=0) // 1000))
