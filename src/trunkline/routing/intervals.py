"""Ranges that hold nine times in ten, by moving their ends after every outcome.

Decides how far a range reaches beyond its prediction. Each end is a running quantile of the
residual r = actual - predicted: the upper end s moves by ``step * (1[r > s] - 0.05)``, the lower
one likewise, so coverage holds in the long run whatever the residuals' shape, and under drift.
Order matters here, so the state folds these strictly in event order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]

_TAIL = 0.05  # missed on each side of a 90 % interval
# A step is a share of the range's own width, so that the unit of the residuals does not matter:
# large at first, never so small that drift is missed.
_FIRST_STEP, _LEAST_STEP = 0.15, 0.015
_LEAST_WIDTH = 0.05


class Offsets:
    """Lower and upper offsets of every arm for some targets.

    The last row is what arms that were never seen start from; every residual moves it too.

    Attributes:
        ends: Shape (arms + 1, outputs, 2): lower (negative) and upper offset.
        seen: Residuals so far, shape (arms + 1,).
    """

    def __init__(self, start: Sequence[float]) -> None:
        width = np.array([start], dtype=np.float64)
        self.ends: FloatArray = np.stack([-width, width], axis=-1)
        self.seen: FloatArray = np.zeros(1)

    def add_arm(self) -> None:
        """Append an arm that starts from what all arms together have shown."""
        at = len(self.seen) - 1
        self.ends = np.insert(self.ends, at, self.ends[-1], axis=0)
        self.seen = np.insert(self.seen, at, 0.0)

    def observe(self, row: int, residuals: Sequence[float]) -> None:
        """Move the ends of one arm, and of the last row, after one residual per output.

        Plain floats: for a handful of numbers numpy's calls cost more than the arithmetic.
        """
        for at in (row, len(self.seen) - 1):
            share = max(_LEAST_STEP, _FIRST_STEP / (1.0 + 0.1 * float(self.seen[at])))
            pairs: list[list[float]] = self.ends[at].tolist()
            self.ends[at] = [
                _moved(low, high, r, share) for (low, high), r in zip(pairs, residuals, strict=True)
            ]
            self.seen[at] += 1


def _moved(low: float, high: float, r: float, share: float) -> tuple[float, float]:
    step = share * max(high - low, _LEAST_WIDTH)
    return low - step * ((r < low) - _TAIL), high + step * ((r > high) - _TAIL)
