"""What a signal about an answer is worth to the learner.

Decides which scores are accepted and which weighted rows a signal adds. Does not store them and
does not ask why somebody scored an answer so.

Several signals may come for one call. Each source contributes one row; the same source again
replaces its row; an explicit score (somebody judged the answer) removes the implicit ones (a rule
guessed). Every change is written as rows with a sign, so that folding stays pure addition.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from trunkline.errors import FeedbackError

from .features import FEATURE_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    # source -> (score, weight, explicit), in the order the rows were added
    Active = dict[str, tuple[float, float, bool]]

_SCORE_GRID = 1024
_WEIGHT_GRID = 64
MIN_WEIGHT, MAX_WEIGHT = 1 / _WEIGHT_GRID, 16.0


def check_score(score: object, *, name: str = "score") -> float:
    """Return ``score`` as a float in [0, 1].

    Raises:
        FeedbackError: A bool, a string, not finite, or outside [0, 1]; nothing was learned.
    """
    if isinstance(score, bool) or not isinstance(score, int | float):
        raise FeedbackError(
            f"{name}={score!r} is a {type(score).__name__}; write a number from 0 (useless) to 1"
        )
    if not (isfinite(score) and 0 <= score <= 1):
        raise FeedbackError(f"{name}={score!r} must be a finite number from 0 to 1")
    return float(score)


def check_weight(weight: object) -> float:
    """Return ``weight`` as a float in (0, 16].

    Raises:
        FeedbackError: Anything else.
    """
    if (
        isinstance(weight, bool)
        or not isinstance(weight, int | float)
        or not MIN_WEIGHT <= weight <= MAX_WEIGHT
    ):
        raise FeedbackError(
            f"weight={weight!r} must be a number from {MIN_WEIGHT} to {MAX_WEIGHT:g}"
        )
    return float(weight)


def quantised(score: float, weight: float) -> tuple[float, float]:
    """Put score and weight on the grids on which sums are exact: 1/1024 and 1/64."""
    return round(score * _SCORE_GRID) / _SCORE_GRID, round(weight * _WEIGHT_GRID) / _WEIGHT_GRID


def feedback_rows(
    earlier: Iterable[Mapping[str, Any]],
    score: float,
    *,
    source: str,
    weight: float = 1.0,
    explicit: bool = True,
) -> list[list[float]]:
    """Give the rows ``[score, weight, sign]`` by which a new signal changes the sums.

    Args:
        earlier: Bodies of this call's feedback events so far, oldest first.
        score: The new signal, in [0, 1].
        source: Who or what gave it.
        weight: What it counts beside an explicit score's 1.
        explicit: Whether somebody judged the answer, as against a rule that guessed.

    Returns:
        No row where nothing changes: the same again, or a guess after a judgement.

    Raises:
        FeedbackError: ``score`` or ``weight`` is none.
    """
    y, w = quantised(check_score(score), check_weight(weight))
    active: Active = {}
    for body in earlier:
        old = quantised(body["score"], body["weight"])
        _change(active, str(body["source"]), (*old, bool(body.get("explicit", True))))
    return _change(active, source, (y, w, explicit))


def _change(active: Active, source: str, new: tuple[float, float, bool]) -> list[list[float]]:
    """Apply one signal to the active ones and return the rows it takes."""
    if active.get(source) == new:
        return []
    judged = any(explicit for key, (_, _, explicit) in active.items() if key != source)
    if judged and not new[2]:
        # A source that turns from a judgement into a guess still withdraws what it said.
        return [_row(active.pop(source), -1)] if source in active else []
    gone = [key for key, (_, _, explicit) in active.items() if key == source or not explicit]
    gone = gone if new[2] else [key for key in gone if key == source]
    rows = [_row(active.pop(key), -1) for key in gone]
    active[source] = new
    return [*rows, _row(new, 1)]


def _row(signal: tuple[float, float, bool], sign: int) -> list[float]:
    return [signal[0], signal[1], sign]


def feedback_body(
    earlier: Iterable[Mapping[str, Any]],
    score: float,
    *,
    arm: str,
    objective_key: str,
    source: str,
    weight: float = 1.0,
    explicit: bool = True,
) -> dict[str, Any]:
    """Build the body of a feedback event; see ``feedback_rows`` for what it adds.

    ``arm`` is the deployment that was drawn, which is credited; ``objective_key`` that of the
    objective the call was made under.
    """
    rows = feedback_rows(earlier, score, source=source, weight=weight, explicit=explicit)
    return {
        "fv": FEATURE_VERSION,
        "arm": arm,
        "score": float(score),
        "weight": float(weight),
        "source": source,
        "explicit": explicit,
        "objective_key": objective_key,
        "rows": rows,
    }
