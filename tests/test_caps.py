from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.support.faces import (
    HELLO,
    PRICES,
    Scripted,
    ask,
    completion,
    scripted_router,
    sound,
    spent,
    zoo,
    zoo_router,
)

from trunkline import (
    BudgetExceededError,
    ConfigurationError,
    Model,
    NoEligibleModelError,
    NotFoundError,
    Objective,
)
from trunkline.providers import EchoProvider, OpenAIProvider

if TYPE_CHECKING:
    pass


PICTURE: list[Any] = [
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": "https://a.example/b.png"}},
        ],
    }
]


def test_a_budget_binds_the_worst_case_before_anything_is_sent(store_path: str) -> None:
    router = zoo_router(store_path)
    router.budgets.set("all", "0.00002", on_exceeded="refuse")

    with pytest.raises(BudgetExceededError) as caught:
        ask(router, "small", max_tokens=100)

    error = caught.value
    assert (error.status_code, error.provider, error.should_retry) == (402, None, False)
    assert (error.scope, error.limit) == ("all", Decimal("0.00002"))
    assert error.spent == error.held == 0
    assert error.needed is not None
    assert error.needed > error.limit
    assert error.resets_at is not None
    assert error.routing_id
    assert router._engine.providers["sim"].billed.calls == 0  # type: ignore[attr-defined]
    with pytest.raises(NotFoundError):
        router.explain(error.routing_id)
    sound(router)


def test_a_refusal_says_when_only_held_money_is_in_the_way(store_path: str) -> None:
    router = zoo_router(store_path)
    needed = ask(router, "small", max_tokens=100).routing.hold
    router.budgets.set("user:bo", needed * Decimal("1.5"), on_exceeded="refuse")
    view = router.with_options(user="bo")
    stream = ask(view, "small", max_tokens=100, stream=True)

    with pytest.raises(BudgetExceededError, match="only money held") as caught:
        ask(view, "small", max_tokens=100)
    stream.close()

    assert caught.value.held > 0


def test_the_books_are_exact_to_the_nano_dollar(store_path: str) -> None:
    router = zoo_router(store_path)
    router.budgets.set("all", "1")

    for _ in range(5):
        ask(router)

    assert spent(router) == router._engine.providers["sim"].billed.nanousd  # type: ignore[attr-defined]


def test_auto_takes_the_next_candidate_that_fits(store_path: str) -> None:
    router = zoo_router(store_path, policy="baseline", baseline="big")
    router.budgets.set("all", "0.0001")

    answered = ask(router, max_tokens=100)

    assert answered.routing.model == "small"
    assert answered.routing.reason == "next best that fits the budget (baseline)"
    told = router.explain(answered.routing.id)
    assert "does not fit" in (told.candidates[1].ruled_out or "")
    assert told.candidates[1].propensity_before == 1.0
    assert told.propensity == 1.0


def test_a_lower_cap_is_sent_and_reported(store_path: str) -> None:
    router, io = scripted_router(store_path, Scripted([completion()]))
    router.budgets.set("all", "0.0012")

    answered = ask(router, "p/m")

    sent = httpx.Response(200, content=io.requests[0].body).json()
    assert 256 <= sent["max_tokens"] < 1000
    assert answered.routing.adjusted == (
        f"output capped at {sent['max_tokens']} tokens to fit the budget",
    )
    assert answered.routing.hold <= Decimal("0.0012")


def test_the_callers_own_cap_is_never_lowered(store_path: str) -> None:
    router, _ = scripted_router(store_path)
    router.budgets.set("all", "0.0012")

    with pytest.raises(BudgetExceededError):
        ask(router, "p/m", max_tokens=1000)


def test_a_cap_is_sent_only_where_a_budget_applies(store_path: str) -> None:
    router, io = scripted_router(store_path, *[Scripted([completion()])] * 3, max_output_tokens=300)

    ask(router, "p/m")
    router.budgets.set("all", "1")
    ask(router, "p/m")
    ask(router, "p/m", max_tokens=77)

    caps = [httpx.Response(200, content=r.body).json().get("max_tokens") for r in io.requests]
    assert caps == [None, 300, 77]


def test_refuse_neither_swaps_nor_lowers(store_path: str) -> None:
    router = zoo_router(store_path, policy="baseline", baseline="big")
    router.budgets.set("all", "0.0001", on_exceeded="refuse")

    with pytest.raises(BudgetExceededError):
        ask(router, max_tokens=100)


def test_free_takes_only_what_is_declared_free(store_path: str) -> None:
    providers = [zoo(), EchoProvider()]
    options: dict[str, Any] = {"policy": "baseline", "baseline": "big"}
    router = zoo_router(
        store_path, providers=providers, models=["big", "small", "echo/echo"], **options
    )
    router.budgets.set("all", "0.0000001", on_exceeded="free")

    assert ask(router).routing.provider == "echo"
    with pytest.raises(BudgetExceededError):
        ask(router, "small")


def test_a_free_model_works_when_the_budget_is_spent(store_path: str) -> None:
    router = zoo_router(store_path, providers=[zoo(), EchoProvider()])
    router.budgets.set("all", 0)

    assert ask(router, "echo/echo").routing.actual.cost_usd == 0
    with pytest.raises(BudgetExceededError):
        ask(router, "small")


def test_an_unknown_price_is_refused_under_a_budget_and_free_without(store_path: str) -> None:
    router, _ = scripted_router(store_path, *[Scripted([completion()])] * 2)

    assert ask(router, "p/other").routing.hold == 0
    router.budgets.set("all", "100")
    with pytest.raises(BudgetExceededError, match="no known price") as caught:
        ask(router, "p/other")

    assert caught.value.needed is None


def test_an_unknown_price_may_be_allowed_or_assumed(store_path: str) -> None:
    allowed, _ = scripted_router(store_path, Scripted([completion()]), unpriced="allow")
    allowed.budgets.set("all", "100")
    assert ask(allowed, "p/other").routing.actual.cost_usd == 0

    assumed, _ = scripted_router(
        store_path, Scripted([completion()]), unpriced=Model("dear", **PRICES)
    )
    assert ask(assumed, "p/other").routing.actual.cost_usd == Decimal("0.00002")


@pytest.mark.parametrize("unpriced", ["refuse", "allow"])
def test_what_has_no_bound_is_refused_under_a_budget(store_path: str, unpriced: str) -> None:
    router, io = scripted_router(store_path, Scripted([completion()]), unpriced=unpriced)

    ask(router, "p/m", messages=PICTURE)
    router.budgets.set("all", "100")
    with pytest.raises(BudgetExceededError, match="no bound"):
        ask(router, "p/m", messages=PICTURE)

    assert len(io.requests) == 1


def test_floats_for_money_are_refused_with_what_to_write(store_path: str) -> None:
    router = zoo_router(store_path)

    with pytest.raises(ConfigurationError, match=r'write usd="0\.5"'):
        router.budgets.set("all", 0.5)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="max_cost_usd"):
        Objective(max_cost_usd=0.5)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="input_usd_per_m"):
        Model("m", input_usd_per_m=0.5, output_usd_per_m=1)  # type: ignore[arg-type]


def test_wishes_rule_out_every_candidate_by_name(store_path: str) -> None:
    router = zoo_router(store_path, objective=Objective(min_quality=0.99))
    refusals: list[Any] = []
    router.on("refusal", refusals.append)

    with pytest.raises(NoEligibleModelError, match="min_quality") as caught:
        ask(router)
    with pytest.raises(NoEligibleModelError):
        router.plan(messages=HELLO)

    assert [c.id for c in caught.value.candidates] == ["sim/small", "sim/big"]
    assert caught.value.routing_id
    assert refusals == [caught.value]
    assert ask(router, "small").routing.model == "small"


@pytest.mark.parametrize("spelling", ["gpt-5-mini", "gpt-5-mini-2025-08-07", "GPT-5-mini"])
def test_a_models_budget_knows_it_under_every_spelling(store_path: str, spelling: str) -> None:
    router, io = scripted_router(
        store_path,
        providers=[OpenAIProvider(api_key="sk-canary-0123456789")],
        models=["gpt-5-mini"],
    )
    router.budgets.set("model:openai/gpt-5-mini", "0.000001", on_exceeded="refuse")

    with pytest.raises(BudgetExceededError):
        ask(router, spelling, max_tokens=100)

    assert io.requests == []
