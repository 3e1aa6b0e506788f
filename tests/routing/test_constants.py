from __future__ import annotations

import pytest

from trunkline.catalog.models import Model, Prices, Rates
from trunkline.routing.constants import default_cost_ref, objective_key, price_priors
from trunkline.routing.predictions import ArmInfo
from trunkline.types.routing import Objective


def arm(name: str, output: str | None, quality: float | None = None) -> ArmInfo:
    prices = Model("m", input_usd_per_m="1", output_usd_per_m=output).prices if output else None
    return ArmInfo(name, prices, prior_quality=quality)


def test_a_dearer_model_starts_from_a_higher_prior() -> None:
    priors = price_priors([arm("a", "1"), arm("b", "10"), arm("c", "100")], {})

    assert priors["b"] == pytest.approx(0.6)
    assert priors["c"] - 0.6 == pytest.approx(0.6 - priors["a"]) == pytest.approx(0.06 * 1.5**0.5)


def test_the_callers_own_belief_overrides_the_price() -> None:
    assert price_priors([arm("a", "1", 0.9), arm("b", "10")], {})["a"] == 0.9


def test_unpriced_and_free_models_and_equal_prices_stand_at_the_mean() -> None:
    assert price_priors([arm("a", None), arm("b", "5"), arm("c", "0")], {}) == {
        "a": 0.6,
        "b": 0.6,
        "c": 0.6,
    }


def test_what_is_known_is_frozen() -> None:
    candidates = [arm("a", "1"), arm("b", "10")]

    assert price_priors(candidates, {"a": 0.1, "b": 0.2}) == {}
    assert set(price_priors(candidates, {"a": 0.1})) == {"b"}


def test_the_reference_cost_is_the_dearest_arms_800_tokens() -> None:
    cheap = Prices(base=Rates(input=1_000, output=1_000))
    dear = Prices(base=Rates(input=1_000_000, output=2_000_000), per_call_nanousd=7)

    assert default_cost_ref([cheap, None, dear]) == 500 * 1000 + 300 * 2000 + 7


def test_the_reference_cost_is_never_zero() -> None:
    assert default_cost_ref([]) == 1
    assert default_cost_ref([None, Prices(base=Rates(input=0, output=0))]) == 1


def test_objectives_of_equal_weights_share_their_key() -> None:
    assert objective_key(Objective(cost=0.5)) == objective_key(Objective(cost=0.5, min_quality=0.2))
    assert objective_key(Objective(cost=0.5)) != objective_key(Objective(cost=0.25))
