"""From a best arm and an explored set to probabilities, and from probabilities to one arm.

Decides the propensities that are logged. Does not decide which arm is best, which are explored or
which fit a budget. Plain Python: the ledger calls ``draw`` inside its transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


def mixture(best: int, explore_set: Collection[int], eps: float, n: int) -> tuple[float, ...]:
    """Give p(a) = (1 - eps)·1[a = best] + (eps / |E|)·1[a in E], with E including ``best``.

    The best arm takes what is left, so the sum is 1 to the last bit of rounding.
    """
    arms = set(explore_set) | {best}
    share = eps / len(arms)
    p = [0.0] * n
    for arm in arms:
        p[arm] = share
    p[best] = 1.0 - share * (len(arms) - 1)
    return tuple(p)


def draw(
    probabilities: Sequence[float], ranking: Sequence[int], fits: Sequence[bool], u: float
) -> tuple[int, tuple[float, ...]]:
    """Mask what does not fit and draw one arm at ``u``.

    The masked mass goes to the best-ranked arm that fits, so a propensity after masking is known
    exactly.

    Args:
        probabilities: Before masking, one per candidate, summing to 1.
        ranking: Candidate indexes, best first; every index that may be drawn is in it.
        fits: Whether each candidate may be drawn.
        u: Uniform in [0, 1).

    Returns:
        The index drawn and the probabilities after masking.

    Raises:
        ValueError: No ranked candidate fits.
    """
    heir = next((i for i in ranking if fits[i]), None)
    if heir is None:
        raise ValueError("no candidate fits; the caller refuses before drawing")
    if all(fits):
        p = list(probabilities)
    else:
        p = [q if ok else 0.0 for q, ok in zip(probabilities, fits, strict=True)]
        p[heir] += sum(q for q, ok in zip(probabilities, fits, strict=True) if not ok)
    below = 0.0
    for i, q in enumerate(p):
        below += q
        if q > 0.0 and u < below:
            return i, tuple(p)
    # Rounding can leave the sum a hair below 1; that hair belongs to the heir.
    return heir, tuple(p)
