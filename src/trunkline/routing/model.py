"""The posterior of one head: a ridge per arm, shrunk to a ridge they share.

Decides what is predicted from what was seen. Does not decide which rows are learned (``state``),
nor what a prediction is used for (``predictions``).

What is kept are exact sums; everything else is recomputed from them. Letters: x (d,) context, y
target, w weight, r = ``reg``, rho = how far the shared ridge may move, m_a prior mean of arm a,
b'_a = b_a - (m_a / 4) A_a[:, 0] (the targets less their prior mean, through the bias column).

    A_a = sum w x x',  b_a = sum w y x          kept
    C_a = (A_a + r I)^-1                        per arm, when its sums moved
    S = (r / rho) I + sum_a (r I - r² C_a),  h = sum_a r C_a b'_a,  mu_0 = S^-1 h
    mean m_a + x'C_a b'_a + r x'C_a mu_0,  variance x'C_a x + r² x'C_a S^-1 C_a x

which is the joint ridge over [shared, arm 1, arm 2, …] with its arm blocks eliminated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from .features import BIAS, D

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]

_EYE = np.eye(D)


class Head:
    """Sums and posterior of ``outputs`` targets that share their rows.

    The last row is the arm that was never seen: it has no sums, so the shared part alone predicts
    for it.

    Attributes:
        sums_xx: A, exact, shape (arms + 1, d, d).
        sums_xy: b, exact, shape (arms + 1, d, outputs).
        prior: Prior means m_a, shape (arms + 1, outputs).
    """

    def __init__(self, prior: Sequence[float], *, reg: float, rho: float) -> None:
        self.reg, self.rho = reg, rho
        self.sums_xx: FloatArray = np.zeros((1, D, D))
        self.sums_xy: FloatArray = np.zeros((1, D, len(prior)))
        self.prior: FloatArray = np.array([prior], dtype=np.float64)
        self._inverse: FloatArray = np.empty(0)
        self._own: FloatArray = np.empty(0)
        self._shared: FloatArray = np.empty(0)
        self._shared_inverse: FloatArray | None = None
        self._shared_weights: FloatArray = np.empty(0)
        self._moved: set[int] | None = None  # rows whose sums moved; None: all
        self._ridge: FloatArray = reg * _EYE

    def add_arm(self, prior: Sequence[float] | None = None) -> None:
        """Append an arm before the never-seen one, with the default prior if none is given."""
        at = len(self.sums_xx) - 1
        self.sums_xx = np.insert(self.sums_xx, at, 0.0, axis=0)
        self.sums_xy = np.insert(self.sums_xy, at, 0.0, axis=0)
        row = self.prior[-1] if prior is None else prior
        self.prior = np.insert(self.prior, at, row, axis=0)
        self._moved = None

    def set_prior(self, row: int, prior: Sequence[float]) -> None:
        """Replace an arm's prior mean; what was learned about it stays."""
        self.prior[row] = prior
        self._touch(row)

    def set_shrinkage(self, *, reg: float, rho: float) -> None:
        """Change r and rho; the sums stay, everything derived follows."""
        self.reg, self.rho = reg, rho
        self._ridge = reg * _EYE
        self._moved = None

    def add(self, row: int, x: FloatArray, y: Sequence[float], weight: float) -> None:
        """Add one weighted observation; a negative weight takes one back.

        Exact, and so in any order, as long as x, y and weight are on the grids of the log.
        """
        wx = weight * x
        self.sums_xx[row] += np.multiply.outer(wx, x)
        self.sums_xy[row] += np.multiply.outer(wx, np.asarray(y))
        self._touch(row)

    def means(self, x: FloatArray) -> FloatArray:
        """Predict every arm, shape (arms + 1, outputs); prior means included."""
        return self._means(x, self._pulled(x))

    def means_and_variances(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Predict every arm, with the variance of each mean in units of the noise.

        Shapes (arms + 1, outputs) and (arms + 1,); one product with all C_a serves both.
        """
        z = self._pulled(x)
        shared = ((z @ self._covariance_of_shared()) * z).sum(axis=1)
        return self._means(x, z), z @ x + self.reg**2 * shared

    def mean(self, row: int, x: FloatArray) -> FloatArray:
        """Predict one arm, shape (outputs,)."""
        self._refresh()
        z = self._inverse[row] @ x
        mean: FloatArray = self.prior[row] + x @ self._own[row] + z @ self._shared_weights
        return mean

    def variance(self, row: int, x: FloatArray) -> float:
        """Return the posterior variance of one arm's mean in units of the noise."""
        shared = self._covariance_of_shared()
        z = self._inverse[row] @ x
        return float(z @ x + self.reg**2 * (z @ shared @ z))

    def weights(self, row: int) -> FloatArray:
        """Return what multiplies x for this arm, shape (d, outputs)."""
        self._refresh()
        weights: FloatArray = self._own[row] + self._inverse[row] @ self._shared_weights
        return weights

    def _pulled(self, x: FloatArray) -> FloatArray:
        """Return C_a x of every arm, shape (arms + 1, d)."""
        self._refresh()
        n = len(self._inverse)
        # One product over all arms: a stacked product would call the library once per arm.
        z: FloatArray = (self._inverse.reshape(n * D, D) @ x).reshape(n, D)
        return z

    def _means(self, x: FloatArray, z: FloatArray) -> FloatArray:
        return self.prior + x @ self._own + z @ self._shared_weights

    def _covariance_of_shared(self) -> FloatArray:
        self._refresh()
        if self._shared_inverse is None:
            self._shared_inverse = _inverse(self._shared)
        return self._shared_inverse

    def _touch(self, row: int) -> None:
        if self._moved is not None:
            self._moved.add(row)

    def _refresh(self) -> None:
        """Recompute what moved; a pure function of the sums, so equal sums predict equally."""
        if self._moved is not None and not self._moved:
            return
        n, r = len(self.sums_xx), self.reg
        rows = range(n) if self._moved is None else sorted(self._moved)
        if self._moved is None:
            self._inverse = np.empty_like(self.sums_xx)
            self._own = np.empty_like(self.sums_xy)
        for row in rows:
            xx = self.sums_xx[row]
            inverse = _inverse(xx + self._ridge)
            self._inverse[row] = inverse
            centred = self.sums_xy[row] - np.multiply.outer(xx[:, 0] / BIAS, self.prior[row])
            self._own[row] = inverse @ centred
        shared = (-r * r) * np.add.reduce(self._inverse, axis=0)
        shared.flat[:: D + 1] += r / self.rho + n * r
        self._shared, self._shared_inverse = shared, None
        # r mu_0; its other factor r is in h.
        self._shared_weights = _solve(shared, (r * r) * np.add.reduce(self._own, axis=0))
        self._moved = set()


# numpy's stubs give "some float" or nothing known back for float64; these say what is so.


def _inverse(matrix: FloatArray) -> FloatArray:
    return cast("FloatArray", np.linalg.inv(matrix))


def _solve(matrix: FloatArray, target: FloatArray) -> FloatArray:
    return cast("FloatArray", np.linalg.solve(matrix, target))
