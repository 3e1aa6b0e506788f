from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.faces import HELLO, ask, sound, spent, zoo, zoo_router

from trunkline import (
    AsyncRouter,
    BudgetExceededError,
    ConfigurationError,
    Model,
    NotFoundError,
)
from trunkline._management import instant

if TYPE_CHECKING:
    from trunkline import Router

NOW = 1_700_000_000.0


@pytest.fixture
def router(store_path: str) -> Router:
    return zoo_router(store_path)


def test_a_budget_is_set_changed_shown_and_removed(router: Router) -> None:
    first = router.budgets.set("team:research", "200", tz="Europe/Berlin", on_exceeded="refuse")
    router.budgets.set("team:research", usd=Decimal("5.5"), per="day")
    changed = router.budgets.set("team:research", 300)

    assert (first.scope, first.per, first.limit) == ("team:research", "month", Decimal(200))
    assert (changed.limit, changed.on_exceeded) == (Decimal(300), "fit")
    assert [(s.per, s.limit) for s in router.budgets.status("team:research")] == [
        ("day", Decimal("5.5")),
        ("month", Decimal(300)),
    ]
    router.budgets.remove("team:research", per="day")
    assert [s.per for s in router.budgets.status()] == ["month"]
    router.budgets.remove("team:research")
    assert len(router.budgets.status()) == 0


def test_removing_what_is_not_there_is_not_found(router: Router) -> None:
    with pytest.raises(NotFoundError, match="team:a"):
        router.budgets.remove("team:a")
    with pytest.raises(NotFoundError, match="per day"):
        router.budgets.remove("team:a", "day")


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"usd": 0.5}, 'write usd="0.5"'),
        ({"usd": "-1"}, "usd"),
        ({"usd": "much"}, "usd"),
        ({"per": "year"}, "per='year'"),
        ({"hold": "quantile"}, "hold='quantile' is not available yet"),
        ({"hold": "guess"}, "hold='guess'"),
        ({"on_exceeded": "hope"}, "on_exceeded='hope'"),
        ({"tz": "Mars/Base"}, "Mars/Base"),
        ({"scope": "reserch"}, "reserch"),
        ({"scope": 5}, "scope"),
        ({"scope": "block:abc"}, "block"),
    ],
)
def test_a_bad_budget_is_refused_by_name(
    router: Router, fields: dict[str, Any], named: str
) -> None:
    with pytest.raises(ConfigurationError, match=named):
        router.budgets.set(**{"scope": "all", "usd": "1", **fields})

    assert len(router.budgets.status()) == 0


def test_a_bad_period_or_scope_is_refused_in_the_other_calls_too(router: Router) -> None:
    with pytest.raises(ConfigurationError, match="per='year'"):
        router.budgets.remove("all", "year")
    with pytest.raises(ConfigurationError, match="nonsense"):
        router.budgets.status("nonsense")


@pytest.mark.parametrize(
    ("scope", "met"),
    [
        ("all", "all"),
        ("team:research", "team:research"),
        ("team:*", "team:research"),
        ("user:bo", "user:bo"),
        ("user:*", "user:bo"),
        ("team:research/user:*", "team:research/user:bo"),
        ("team:*/user:*", "team:research/user:bo"),
        ("provider:sim", "provider:sim"),
        ("provider:*", "provider:sim"),
        ("model:sim/small", "model:sim/small"),
        ("model:sim/*", "model:sim/small"),
        ("tag:job=nightly", "tag:job=nightly"),
        ("tag:job=*", "tag:job=nightly"),
    ],
)
def test_every_scope_counts_its_calls(store_path: str, scope: str, met: str) -> None:
    router = zoo_router(store_path, team="research", user="bo", tags={"job": "nightly"})
    router.budgets.set(scope, "1")

    cost = ask(router, "small").routing.actual.cost_usd
    ask(router.with_options(team="x", user="y", tags={"job": "z"}), "small")

    rows = {s.scope: s for s in router.budgets.status(scope)}
    assert rows[met].spent in (cost, 2 * cost)
    assert rows[met].left == 1 - rows[met].spent
    sound(router)


@pytest.mark.parametrize("scope", ["team:research", "user:*", "tag:job=nightly", "model:sim/small"])
def test_every_scope_refuses_before_anything_is_sent(store_path: str, scope: str) -> None:
    router = zoo_router(store_path, team="research", user="bo", tags={"job": "nightly"})
    router.budgets.set(scope, "0.0000001", on_exceeded="refuse")

    with pytest.raises(BudgetExceededError) as caught:
        ask(router, "small", max_tokens=50)

    assert caught.value.limit == Decimal("0.0000001")
    assert caught.value.scope.partition(":")[0] == scope.partition(":")[0]
    assert router._engine.providers["sim"].billed.calls == 0  # type: ignore[attr-defined]


def test_a_budget_set_in_mid_period_knows_what_was_spent(router: Router) -> None:
    cost = ask(router, "small").routing.actual.cost_usd

    assert router.budgets.set("all", "1").spent == cost


def test_holds_show_the_calls_under_way(router: Router) -> None:
    stream = ask(router, "small", stream=True)

    (hold,) = router.budgets.holds()
    stream.close()

    assert hold.routing_id == stream.routing.id
    assert (hold.provider, hold.model, hold.attempt) == ("sim", "small", 1)
    assert hold.held > 0
    assert (hold.state, hold.charged) == ("reserved", Decimal(0))
    assert len(router.budgets.holds()) == 0


def test_charges_by_estimate_are_shown_and_can_be_corrected(router: Router) -> None:
    ask(router, "small")
    stream = ask(router, "small", stream=True)
    next(stream)
    stream.close()

    (hold,) = router.budgets.holds(estimated=True)
    router.budgets.correct(hold.routing_id, usd="0.25", attempt=hold.attempt)

    assert (hold.routing_id, hold.state) == (stream.routing.id, "estimated")
    assert hold.charged == stream.routing.actual.cost_usd > 0
    assert len(router.budgets.holds(estimated=True)) == 0
    sound(router)


def test_a_charge_is_corrected_by_the_bill(router: Router) -> None:
    router.budgets.set("all", "1")
    answer = ask(router, "small")

    router.budgets.correct(answer.routing.id, usd="0.25")

    assert spent(router) == 250_000_000
    assert router.usage.records()[0].cost_usd == Decimal("0.25")
    sound(router)


def test_a_correction_needs_a_call_and_money(router: Router) -> None:
    answer = ask(router, "small")

    with pytest.raises(NotFoundError):
        router.budgets.correct("nothing", usd="1")
    with pytest.raises(NotFoundError):
        router.budgets.correct(answer.routing.id, usd="1", attempt=7)
    with pytest.raises(ConfigurationError, match="usd"):
        router.budgets.correct(answer.routing.id, usd=0.5)  # type: ignore[arg-type]


def test_usage_sums_by_any_dimension(store_path: str) -> None:
    router = zoo_router(store_path, team="a", tags={"job": "n"})
    one = ask(router, "small").routing.actual.cost_usd
    two = ask(router.with_options(team="b"), "big").routing.actual.cost_usd

    rows = router.usage.summary(by=["team", "model", "tag:job"], since="1d")

    assert [(r["team"], r["model"], r["tag:job"], r["cost_usd"]) for r in rows] == [
        ("b", "big", "n", two),
        ("a", "small", "n", one),
    ]
    assert router.usage.summary(by=[])[0]["calls"] == 2
    assert len(router.usage.summary(until=timedelta(days=1))) == 0


def test_records_are_single_attempts_newest_first(router: Router) -> None:
    first, second = ask(router, "small"), ask(router.with_options(team="t", user="u"), "big")

    records = router.usage.records(since="1h")

    assert [r.routing_id for r in records] == [second.routing.id, first.routing.id]
    assert records[0].tokens_used == second.usage.total_tokens
    assert records[0].duration_ms == pytest.approx(1000, rel=0.5)
    assert len(router.usage.records(limit=1)) == 1
    assert [r.model for r in router.usage.records(model="small")] == ["small"]
    assert [r.model for r in router.usage.records(team="t", user="u", provider="sim")] == ["big"]


@pytest.mark.parametrize("limit", [0, -1, True, "5", 1.5])
def test_a_bad_limit_is_refused(router: Router, limit: Any) -> None:
    with pytest.raises(ConfigurationError, match="limit"):
        router.usage.records(limit=limit)


@pytest.mark.parametrize("by", ["team", 5, None])
def test_dimensions_are_a_list(router: Router, by: Any) -> None:
    with pytest.raises(ConfigurationError, match="by must be a list"):
        router.usage.summary(by=by)


def test_an_unknown_dimension_is_refused(router: Router) -> None:
    with pytest.raises(ConfigurationError, match="'colour'"):
        router.usage.summary(by=["colour"])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (5, 5.0),
        ("30d", NOW - 30 * 86400),
        (" 12 h ", NOW - 12 * 3600),
        ("2w", NOW - 14 * 86400),
        ("45m", NOW - 2700),
        ("9s", NOW - 9),
        (timedelta(minutes=1), NOW - 60),
        (datetime(2024, 1, 1, tzinfo=UTC), 1704067200.0),
    ],
)
def test_an_instant_is_read_in_every_form(value: Any, expected: float | None) -> None:
    assert instant(value, NOW) == expected


@pytest.mark.parametrize(
    "value",
    ["yesterday", "d", "-3d", datetime(2024, 1, 1), True, [], "1d2h"],  # noqa: DTZ001
)
def test_what_is_no_instant_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError):
        instant(value, NOW)


def test_models_are_listed_with_prices_and_resolved_with_a_reason(router: Router) -> None:
    listed = {m.id: m for m in router.models.list()}

    assert list(listed) == ["sim/big", "sim/small"]
    assert listed["sim/big"].input_usd_per_m == 1
    assert listed["sim/big"].owned_by == "sim"
    assert router.models.resolve("small").id == "sim/small"
    assert router.models.resolve("small").reason == "declared by sim"
    assert router.models.retrieve("sim/big").output_usd_per_m == 4
    with pytest.raises(NotFoundError, match="sim/other"):
        router.models.retrieve("sim/other")  # who simulates knows all its models


def test_an_added_model_is_known_and_listed(router: Router) -> None:
    priced = Model("sim/other", input_usd_per_m="3", output_usd_per_m=6, supports={"tools"})

    added = router.models.add(priced)

    assert (added.id, added.input_usd_per_m, added.reason) == ("sim/other", Decimal(3), "added")
    assert "sim/other" in [m.id for m in router.models.list()]
    assert router.models.resolve("other").supports == ("tools",)


def test_an_added_price_counts_from_the_next_call_on(router: Router) -> None:
    before = ask(router, "small").routing.actual.cost_usd

    router.models.add(Model("small", input_usd_per_m="1", output_usd_per_m=4))

    assert ask(router, "small").routing.actual.cost_usd == 10 * before


def test_a_past_decision_is_explained_from_the_log(router: Router) -> None:
    answer = ask(router)

    told = router.explain(answer.routing.id)

    assert told.id == answer.routing.id
    assert told.chosen.id == f"{answer.routing.provider}/{answer.routing.model}"
    assert told.propensity == answer.routing.propensity
    assert told.chosen.predicted.quality == pytest.approx(answer.routing.predicted.quality)
    assert told.chosen.predicted.cost_usd == answer.routing.predicted.cost_usd
    with pytest.raises(NotFoundError) as caught:
        router.explain("nothing")
    assert caught.value.routing_id == "nothing"


async def test_async_management_is_the_same(store_path: str) -> None:
    async with AsyncRouter(providers=[zoo()], store=store_path) as router:
        await router.budgets.set("all", "1")
        answer = await router.chat.completions.create(model="small", messages=HELLO)
        cost = answer.routing.actual.cost_usd
        assert (await router.budgets.status("all"))[0].spent == cost
        assert len(await router.budgets.holds()) == 0
        assert len(await router.budgets.holds(estimated=True)) == 0
        await router.budgets.correct(answer.routing.id, usd="0.5")
        assert (await router.usage.records())[0].cost_usd == Decimal("0.5")
        assert (await router.usage.summary(["model"]))[0]["model"] == "small"
        await router.budgets.remove("all")
        assert len(await router.budgets.status()) == 0
        assert (await router.explain(answer.routing.id)).chosen.id == "sim/small"
        assert [m.id for m in await router.models.list()] == ["sim/big", "sim/small"]
        assert (await router.models.retrieve("big")).id == "sim/big"
        assert router.models.resolve("big").id == "sim/big"
