from __future__ import annotations

from math import nan
from typing import Any

import numpy as np
import pytest

from trunkline.catalog.models import Model, Prices, Rates
from trunkline.routing.features import FEATURE_VERSION, decode, encode
from trunkline.routing.predictions import ArmInfo, Context, predict, priced
from trunkline.routing.rewards import feedback_body
from trunkline.routing.state import LearnedState
from trunkline.storage.records import EventRow
from trunkline.types.routing import Objective

X = encode({"messages": [{"role": "user", "content": "Why is it so?"}]})


def arm(name: str, *, price: str | None = "1", cap: int | None = None) -> ArmInfo:
    prices = price and Model("m", input_usd_per_m=price, output_usd_per_m=price).prices
    return ArmInfo(name, prices or None, cap)


def context(**changes: Any) -> Context:
    given: dict[str, Any] = {
        "x": decode(X),
        "objective": Objective(),
        "cost_ref_nanousd": 1_000_000,
        "latency_ref_s": 10.0,
        "input_tokens": 100.0,
    }
    return Context(**(given | changes))


def learned(n: int, **outcome: Any) -> LearnedState:
    """Fold ``n`` outcomes and scores of 0.9 of arm a."""
    state = LearnedState()
    body = {
        "fv": FEATURE_VERSION,
        "arm": "a",
        "state": "settled",
        "ok": True,
        "prompt_tokens": 150,
        "completion_tokens": 40,
        "in_est": 100,
        "duration_s": 0.5,
        **outcome,
    }
    score = feedback_body([], 0.9, arm="a", objective_key="k", source="s")
    for i in range(n):
        state.fold(EventRow(2 * i + 1, "c", "outcome", 0.0, X, body))
        state.fold(EventRow(2 * i + 2, "c", "feedback", 0.0, X, score))
    return state


def test_before_any_outcome_quality_is_a_prior_and_ranges_are_wide() -> None:
    p = predict(context(), [arm("a", price="1"), arm("b", price="9")], LearnedState())

    assert p.quality_is_prior.all()
    assert p.quality.tolist() == pytest.approx([0.54, 0.66])
    assert (p.quality_high - p.quality_low > 0.5).all()
    assert (p.cost_high_nanousd > 3 * p.cost_low_nanousd).all()


def test_predictions_follow_what_was_seen() -> None:
    p = predict(context(), [arm("a"), arm("b")], learned(60))

    assert p.quality_is_prior.tolist() == [False, True]
    assert p.quality[0] == pytest.approx(0.9, abs=0.03)
    assert p.output_tokens[0] == pytest.approx(40, rel=0.1)
    assert p.latency_s[0] == pytest.approx(0.5, rel=0.1)
    assert p.quality_sd[0] < p.quality_sd[1]
    assert p.quality_high[0] - p.quality_low[0] < p.quality_high[1] - p.quality_low[1]


def test_a_new_arm_inherits_what_all_arms_share() -> None:
    before = predict(context(), [arm("b")], LearnedState())
    after = predict(context(), [arm("b")], learned(60))

    assert after.quality[0] > before.quality[0] + 0.1
    assert after.output_tokens[0] < before.output_tokens[0] / 2


def test_a_scored_arm_keeps_its_prior_and_an_unscored_one_takes_the_price() -> None:
    state = learned(0)
    outcome = {
        "fv": FEATURE_VERSION,
        "arm": "b",
        "state": "settled",
        "ok": True,
        "completion_tokens": 40,
        "duration_s": 0.5,
    }
    state.fold(EventRow(1, "c", "outcome", 0.0, X, outcome))

    p = predict(context(), [arm("a", price="1"), arm("b", price="9")], state)

    assert p.quality.tolist() == pytest.approx([0.54, 0.66])


def test_cost_comes_from_tokens_and_prices_of_the_day() -> None:
    state = learned(60)
    p = predict(context(), [arm("a", price="1"), arm("a", price="0.1")], state)

    tokens = 100 * 1.5 + p.output_tokens[0]
    assert p.cost_nanousd[0] == pytest.approx(tokens * 1000, rel=0.15)
    assert p.cost_nanousd[1] == pytest.approx(p.cost_nanousd[0] / 10)


def test_an_arms_own_tokenizer_shows_in_its_input_cost() -> None:
    free_output = Prices(base=Rates(input=1_000_000, output=0), per_call_nanousd=5)
    p = predict(context(), [ArmInfo("a", free_output), ArmInfo("b", free_output)], learned(400))

    assert p.cost_nanousd[0] == pytest.approx(5 + 150 * 1000, rel=0.01)
    assert 100 * 1000 < p.cost_nanousd[1] <= p.cost_nanousd[0]


def test_the_output_cap_bounds_the_answer() -> None:
    p = predict(context(), [arm("a", cap=16), arm("b", cap=None)], LearnedState())

    assert p.output_tokens.tolist() == pytest.approx([16, 300])
    assert p.cost_high_nanousd[0] == pytest.approx((100 + 16) * 1000)


def test_a_tier_holds_above_its_input_length() -> None:
    base, long = Rates(input=1000, output=1000), Rates(input=2000, output=2000)
    tiered = ArmInfo("a", Prices(base=base, tiers=((200, long),)))

    short_p, long_p = (
        predict(context(input_tokens=n), [tiered], LearnedState()).cost_nanousd[0]
        for n in (200.0, 201.0)
    )

    assert short_p == pytest.approx(500)
    assert long_p == pytest.approx(2 * 501)


def test_an_unknown_price_is_nan_and_counts_as_the_dearest() -> None:
    p = predict(context(), [arm("a", price=None), arm("b")], LearnedState())

    assert np.isnan(p.cost_nanousd).tolist() == [True, False]
    assert priced(p.cost_nanousd)[0] == p.cost_nanousd[1]
    assert priced(np.array([nan, nan])).tolist() == [0, 0]
    assert p.rounded()["cost_nanousd"][0] is None


def test_logged_figures_are_plain_and_short() -> None:
    p = predict(context(), [arm("a")], learned(3))

    logged = p.rounded()

    assert logged["quality"] == [round(float(p.quality[0]), 4)]
    assert logged["quality_is_prior"] == [False]


def test_utility_weighs_the_three() -> None:
    objective = Objective(quality=2.0, cost=0.5, latency=0.25)
    p = predict(context(objective=objective), [arm("a")], learned(5))

    expected = 2 * p.quality - 0.5 * p.cost_nanousd / 1e6 - 0.25 * p.latency_s / 10
    np.testing.assert_allclose(p.utility, expected)


def test_what_is_kept_of_the_candidates_follows_the_state_and_the_candidates() -> None:
    state, arms = learned(3), (arm("a"), arm("b"))
    before = predict(context(), arms, state)
    kept = state.lineup

    predict(context(), arms, state)
    assert state.lineup is kept
    state.fold(EventRow(7, "", "constant", 0.0, None, {"name": "prior", "arm": "b", "value": 0.9}))
    after = predict(context(), arms, state)
    turned = predict(context(), arms[::-1], state)

    assert after.quality[1] > before.quality[1] + 0.1
    assert turned.quality.tolist() == after.quality.tolist()[::-1]


def test_a_list_of_candidates_may_change_between_calls() -> None:
    state, arms = learned(3), [arm("a", price="1")]
    cheap = predict(context(), arms, state).cost_nanousd[0]
    arms[0] = arm("a", price="9")

    assert predict(context(), arms, state).cost_nanousd[0] == pytest.approx(9 * cheap)


def test_an_arm_becomes_known_by_its_first_outcome() -> None:
    state, arms = learned(3), (arm("a"), arm("b"))
    before = predict(context(), arms, state)
    body = {"fv": FEATURE_VERSION, "arm": "b", "state": "settled", "ok": True}
    taken = {"completion_tokens": 4000, "duration_s": 90.0}
    for i in range(7, 27):
        state.fold(EventRow(i, "c", "outcome", 0.0, X, body | taken))

    after = predict(context(), arms, state)

    assert after.latency_s[1] > 10 * before.latency_s[1]
    assert after.latency_s[0] < after.latency_s[1]


@pytest.mark.parametrize("changes", [{"x": np.full(24, nan)}, {"input_tokens": nan}])
def test_a_context_that_is_not_finite_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="finite"):
        predict(context(**changes), [arm("a")], LearnedState())


def test_nine_in_ten_costs_and_scores_fall_within_their_ranges() -> None:
    rng = np.random.default_rng(0)
    state, inside = LearnedState(), []
    for i in range(900):
        p = predict(context(), [arm("a")], state)
        tokens = max(1, round(np.exp(4 + 0.7 * rng.normal())))
        score = float(np.clip(0.6 + 0.15 * rng.normal(), 0, 1))
        if i > 200:
            cost = 100_000 + tokens * 1000
            inside.append(
                (
                    p.cost_low_nanousd[0] <= cost <= p.cost_high_nanousd[0],
                    p.quality_low[0] <= score <= p.quality_high[0],
                )
            )
        outcome = {
            "fv": FEATURE_VERSION,
            "arm": "a",
            "state": "settled",
            "ok": True,
            "prompt_tokens": 100,
            "completion_tokens": tokens,
            "in_est": 100,
            "duration_s": 1.0,
        }
        body = feedback_body([], score, arm="a", objective_key="k", source="s")
        state.fold(EventRow(2 * i + 1, "c", "outcome", 0.0, X, outcome))
        state.fold(EventRow(2 * i + 2, "c", "feedback", 0.0, X, body))

    assert (np.mean(inside, axis=0) >= 0.87).all()
    assert (np.mean(inside, axis=0) <= 0.93).all()
