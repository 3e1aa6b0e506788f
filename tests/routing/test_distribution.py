from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.routing.distribution import draw, mixture


@given(st.data())
def test_propensities_sum_to_one_before_and_after_masking(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 30))
    ranking = data.draw(st.permutations(range(n)))
    explored = data.draw(st.sets(st.integers(0, n - 1)))
    eps = data.draw(st.floats(0, 1))
    fits = data.draw(st.lists(st.booleans(), min_size=n, max_size=n).filter(any))
    u = data.draw(st.floats(0, 1, exclude_max=True))

    p = mixture(ranking[0], explored, eps, n)
    index, after = draw(p, ranking, fits, u)

    assert sum(p) == pytest.approx(1, abs=1e-12)
    assert sum(after) == pytest.approx(1, abs=1e-12)
    assert fits[index]
    assert after[index] > 0
    assert all(q == 0 for q, ok in zip(after, fits, strict=True) if not ok)


def test_the_formula_of_the_mixture() -> None:
    p = mixture(1, {0, 2}, 0.3, 4)

    assert p == pytest.approx((0.1, 0.8, 0.1, 0.0))


def test_masked_mass_goes_to_the_best_ranked_that_fits() -> None:
    index, after = draw((0.1, 0.7, 0.2), (1, 2, 0), (True, False, True), 0.5)

    assert after == pytest.approx((0.1, 0.0, 0.9))
    assert index == 2


def test_the_draw_follows_the_cumulated_probabilities() -> None:
    drawn = [draw((0.25, 0.25, 0.5), (2, 1, 0), (True,) * 3, u)[0] for u in (0, 0.24, 0.26, 0.51)]

    assert drawn == [0, 0, 1, 2]


def test_what_rounding_leaves_over_belongs_to_the_best_ranked() -> None:
    assert draw((0.5, 0.4999), (1, 0), (True, True), 0.99999)[0] == 1


def test_an_heir_without_probability_of_its_own_is_never_left_out() -> None:
    assert draw((1.0, 0.0, 0.0), (0, 2, 1), (False, True, True), 0.0) == (2, (0.0, 0.0, 1.0))


def test_nothing_that_fits_is_the_callers_refusal() -> None:
    with pytest.raises(ValueError, match="no candidate fits"):
        draw((1.0,), (0,), (False,), 0.5)
