"""L1 inside one process: a block's cap, and what was learned, under threads that share a Router."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING, Any

from tests.crash.scene import TEXT, asking, audit, patiently, router_on, simulated

from trunkline.errors import BudgetExceededError
from trunkline.providers import SimulatedProvider
from trunkline.providers.simulated import SimulatedModel
from trunkline.routing.state import LearnedState
from trunkline.storage import events
from trunkline.types.money import nanousd, usd

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Sized


def in_threads(count: int, work: Callable[[int], None]) -> None:
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001  # raised again below
            errors.append(error)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_L1_a_block_shared_by_threads_keeps_its_cap(store_path: str, sized: Sized) -> None:
    provider = simulated(0.001)
    calls = sized(400)
    refusals: list[BudgetExceededError] = []
    with router_on(store_path, provider) as router:
        one = nanousd(router.chat.completions.create(**asking(0)).routing.hold)
        before = provider.billed.nanousd
        with router.budget(usd=usd(one * calls * 3)) as block:

            def work(worker: int) -> None:
                for number in range(calls):
                    try:
                        block.router.chat.completions.create(**asking(worker + number))
                    except BudgetExceededError as error:
                        refusals.append(error)

            in_threads(8, work)

            billed = provider.billed.nanousd - before
            assert all(e.spent + e.held + (e.needed or 0) > e.limit for e in refusals)
            assert len(refusals) > calls
            assert nanousd(block.spent) == billed <= nanousd(block.limit)
            assert billed > nanousd(block.limit) // 2
        assert len(router.budgets.holds()) == 0
        assert patiently(router._engine.database.check) == []


def test_what_threads_learn_is_what_the_log_says(store_path: str, sized: Sized) -> None:
    models = [
        SimulatedModel(
            id=name,
            quality=quality,
            latency_s=0.0,
            input_usd_per_m="1",
            output_usd_per_m=price,
            text=TEXT,
            error_rate=0.1,
        )
        for name, quality, price in (("s", 0.5, "2"), ("m", 0.7, "5"), ("l", 0.9, "20"))
    ]
    provider = SimulatedProvider("sim", models=models)
    rebuilds = itertools.count()
    with router_on(store_path, provider, models=["sim/s", "sim/m", "sim/l"], seed=1) as router:
        router.budgets.set("all", usd="50", per="total")
        learner = router._engine.learner

        def work(worker: int) -> None:
            for number in range(sized(200)):
                arguments: Any = {**asking(worker * 1000 + number), "model": "auto"}
                answer = router.chat.completions.create(**arguments)
                router.feedback(answer, score=(number % 5) / 4)
                next(rebuilds)

        in_threads(4, work)

        while (gap := patiently(lambda: router._engine.database.read(learner.gap))).rows:
            learner.fold(gap)
        every = patiently(
            lambda: router._engine.database.read(lambda c: events.read_after(c, 0, 10**6))
        )
        books = audit(router)
        live = learner.state
    rebuilt = LearnedState()
    for row in every:
        rebuilt.fold(row)
    assert live is not None
    assert live.to_bytes() == rebuilt.to_bytes()
    assert len(every) > 3 * 4 * sized(200)
    assert (books.held, books.open_holds, books.findings) == (0, 0, [])
