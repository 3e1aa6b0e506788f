from __future__ import annotations

import numpy as np
import pytest

from trunkline.routing.features import D
from trunkline.routing.model import Head

REG, RHO = 20.0, 4.0
PRIORS = (0.5, 0.65, 0.7)


def rows(n: int, seed: int = 0) -> list[tuple[int, np.ndarray, float, float]]:
    """Draw (arm, x, y, weight) on the grids of the log."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(n):
        x = np.round(rng.normal(size=D) * 256) / 256
        x[0] = 4.0
        y, w = round(rng.random() * 1024) / 1024, rng.integers(1, 129) / 64
        out.append((int(rng.integers(0, len(PRIORS))), x, y, float(w)))
    return out


def head_of(data: list[tuple[int, np.ndarray, float, float]]) -> Head:
    head = Head((0.6,), reg=REG, rho=RHO)
    for prior in PRIORS:
        head.add_arm((prior,))
    for arm, x, y, w in data:
        head.add(arm, x, (y,), w)
    return head


def joint_ridge(
    data: list[tuple[int, np.ndarray, float, float]], x: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Solve the ridge over z(x, a) = [sqrt(rho) x; 0 .. x (slot a) .. 0] directly."""
    k = len(PRIORS)

    def z(arm: int, x: np.ndarray) -> np.ndarray:
        out = np.zeros((k + 2, D))
        out[0], out[arm + 1] = np.sqrt(RHO) * x, x
        return out.ravel()

    information = REG * np.eye(D * (k + 2))
    target = np.zeros(D * (k + 2))
    for arm, row, y, w in data:
        information += w * np.outer(z(arm, row), z(arm, row))
        target += w * (y - PRIORS[arm]) * z(arm, row)
    covariance = np.linalg.inv(information)
    weights = covariance @ target
    slots = [z(arm, x) for arm in range(k + 1)]
    priors = (*PRIORS, 0.6)
    mean = [m + s @ weights for m, s in zip(priors, slots, strict=True)]
    return np.array(mean), np.array([s @ covariance @ s for s in slots])


@pytest.mark.parametrize("n", [0, 1, 5, 200])
def test_posterior_equals_the_joint_ridge_solved_directly(n: int) -> None:
    data = rows(n)
    x = rows(1, seed=9)[0][1]

    head = head_of(data)

    mean, variance = joint_ridge(data, x)
    np.testing.assert_allclose(head.means(x)[:, 0], mean, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(head.means_and_variances(x)[0], head.means(x))
    np.testing.assert_allclose(head.means_and_variances(x)[1], variance, rtol=1e-9, atol=1e-9)


def test_one_arm_asked_alone_is_the_arm_among_all() -> None:
    head, x = head_of(rows(50)), rows(1, seed=9)[0][1]

    for arm in range(len(PRIORS) + 1):
        np.testing.assert_allclose(head.mean(arm, x), head.means(x)[arm], rtol=1e-12)
        assert head.variance(arm, x) == pytest.approx(
            head.means_and_variances(x)[1][arm], rel=1e-12
        )
        assert head.prior[arm, 0] + head.weights(arm)[:, 0] @ x == pytest.approx(
            head.means(x)[arm, 0], rel=1e-12
        )


def test_learning_between_predictions_gives_what_learning_at_once_gives() -> None:
    data, x = rows(60), rows(1, seed=9)[0][1]
    stepwise = head_of([])

    for arm, row, y, w in data:
        stepwise.add(arm, row, (y,), w)
        stepwise.means(row)

    assert stepwise.means(x).tobytes() == head_of(data).means(x).tobytes()


def test_sums_are_exact_so_order_and_corrections_leave_no_trace() -> None:
    data = rows(300)
    wrong = rows(20, seed=5)
    shuffled = [data[i] for i in np.random.default_rng(1).permutation(len(data))]

    corrected = head_of([*wrong, *shuffled])
    for arm, x, y, w in wrong:
        corrected.add(arm, x, (y,), -w)

    straight = head_of(data)
    assert corrected.sums_xx.tobytes() == straight.sums_xx.tobytes()
    assert corrected.sums_xy.tobytes() == straight.sums_xy.tobytes()


def test_a_prior_may_come_after_the_data() -> None:
    data, x = rows(30), rows(1, seed=9)[0][1]
    late = Head((0.6,), reg=REG, rho=RHO)
    for _ in PRIORS:
        late.add_arm()
    for arm, row, y, w in data:
        late.add(arm, row, (y,), w)

    for arm, prior in enumerate(PRIORS):
        late.means(x)
        late.set_prior(arm, (prior,))

    np.testing.assert_allclose(late.means(x), head_of(data).means(x), rtol=1e-12)


def test_stronger_shrinkage_moves_less() -> None:
    data, x = rows(30), rows(1, seed=9)[0][1]
    head = head_of(data)
    before = abs(head.means(x)[:, 0] - (*PRIORS, 0.6))

    head.set_shrinkage(reg=2000.0, rho=RHO)

    assert (abs(head.means(x)[:, 0] - (*PRIORS, 0.6)) < before).all()


def test_variance_is_positive_and_falls_with_every_row() -> None:
    data, x = rows(40), rows(1, seed=9)[0][1]
    seen = [head_of(data[:n]).means_and_variances(x)[1] for n in (0, 1, 10, 40)]

    assert (np.array(seen) > 0).all()
    assert (np.diff(seen, axis=0) <= 1e-12).all()
