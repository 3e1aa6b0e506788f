from __future__ import annotations

import gc
import time
from decimal import Decimal
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from tests.support.faces import ask, sound, zoo, zoo_router

from trunkline import AsyncRouter, BudgetExceededError, ConfigurationError
from trunkline.storage import ids

if TYPE_CHECKING:
    from trunkline import Router


@pytest.fixture
def router(store_path: str) -> Router:
    return zoo_router(store_path)


def test_a_block_counts_what_was_spent_in_it(router: Router) -> None:
    ask(router, "small")

    with router.budget(usd="0.50") as block:
        answer = ask(router, "small")

    assert block.spent == answer.routing.actual.cost_usd > 0
    assert block.left == Decimal("0.50") - block.spent
    assert block.limit == Decimal("0.50")
    assert repr(block) == f"<BlockBudget limit $0.5 spent ${block.spent:f} left ${block.left:f}>"


def test_a_block_refuses_what_does_not_fit_and_ends_with_its_block(router: Router) -> None:
    with router.budget(usd="0.0000001") as block, pytest.raises(BudgetExceededError) as caught:
        ask(router, "small", max_tokens=100)
    ask(router, "small", max_tokens=100)

    assert caught.value.scope == f"block:{block.id}"
    assert block.spent == 0
    sound(router)


def test_blocks_nest_and_the_tightest_binds(router: Router) -> None:
    with router.budget(usd="1") as outer:
        with router.budget(usd="0.0000001") as inner:
            with pytest.raises(BudgetExceededError) as caught:
                ask(router, "small", max_tokens=100)
            assert caught.value.scope == f"block:{inner.id}"
        ask(router, "small", max_tokens=100)

    assert outer.spent > 0
    assert inner.spent == 0


def test_a_call_in_two_blocks_counts_in_both(router: Router) -> None:
    with router.budget(usd="1") as outer, router.budget(usd="1") as inner:
        ask(router, "small")

    assert outer.spent == inner.spent > 0


def test_threads_are_reached_by_the_blocks_own_router(router: Router) -> None:
    with router.budget(usd="1") as block:
        threads = [Thread(target=ask, args=(r, "small")) for r in (block.router, router)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        once = block.spent
        ask(block.router, "small")

    assert once > 0
    assert block.spent == 2 * once
    ask(block.router.with_options(team="a"), "small")
    assert block.spent == 3 * once


def test_a_block_inside_a_bound_view_keeps_both_caps(router: Router) -> None:
    with router.budget(usd="1") as outer, outer.router.budget(usd="1") as inner:
        ask(inner.router, "small")

    assert inner.spent == outer.spent > 0


def test_another_routers_calls_are_not_the_blocks(router: Router, tmp_path: object) -> None:
    other = zoo_router(":memory:")

    with router.budget(usd="1") as block:
        ask(other, "small")

    assert block.spent == 0


def test_a_block_may_be_left_without_having_been_entered(router: Router) -> None:
    block = router.budget(usd="1")

    block.__exit__(None, None, None)

    assert block.spent == 0


@pytest.mark.parametrize("usd", [0.5, "much", -1, True])
def test_a_cap_that_is_no_money_is_refused(router: Router, usd: object) -> None:
    with pytest.raises(ConfigurationError, match="usd"):
        router.budget(usd=usd)  # type: ignore[arg-type]


async def test_async_blocks_work_the_same(store_path: str) -> None:
    async with AsyncRouter(providers=[zoo()], store=store_path) as router:
        async with router.budget(usd="1") as block:
            await router.chat.completions.create(
                model="small", messages=[{"role": "user", "content": "hi"}]
            )
            await block.router.chat.completions.create(
                model="small", messages=[{"role": "user", "content": "hi"}]
            )
        with router.budget(usd="1") as second:
            await router.chat.completions.create(
                model="small", messages=[{"role": "user", "content": "hi"}]
            )

    assert block.spent == 2 * second.spent > 0


def test_a_dropped_stream_is_booked_without_a_lock(router: Router) -> None:
    with router.budget(usd="1") as block:
        stream = ask(router, "small", stream=True)
        with router._engine._lock, pytest.warns(ResourceWarning):
            del stream

    assert block.spent > 0
    ask(router, "small")
    sound(router)


def test_a_block_that_is_gone_leaves_no_total_behind(router: Router) -> None:
    with router.budget(usd="0.50") as block:
        ask(router, "small")
    name = block.id
    assert router._engine.spent_in(name) > 0

    del block
    gc.collect()

    assert router._engine.spent_in(name) == 0


def test_the_store_can_tell_how_old_a_block_is(router: Router) -> None:
    with router.budget("1") as block:
        made = ids.time_of(block.id)

    assert made is not None
    assert abs(made - time.time()) < 60
