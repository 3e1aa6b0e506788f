from __future__ import annotations

import logging
import os
from threading import Barrier, Thread
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.faces import HELLO, ask, sound, wired, zoo, zoo_router

from trunkline import ConfigurationError, Model, NotFoundError, Router
from trunkline import _engine as engine_module
from trunkline._log import LOG, listen
from trunkline.providers import EchoProvider, OpenAIProvider

if TYPE_CHECKING:
    from pathlib import Path


def official(**options: Any) -> OpenAIProvider:
    return OpenAIProvider(api_key="sk-canary-0123456789", **options)


def test_the_catalogues_choice_is_two_models_a_provider(store_path: str) -> None:
    router = Router(providers=[official(), EchoProvider()], store=store_path)

    arms = router._engine.arms()

    assert [a.provider for a in arms] == ["openai", "openai", "echo"]
    assert router._engine.baseline == arms[0].id


def test_a_providers_own_models_are_its_arms_unless_some_are_marked(store_path: str) -> None:
    free: dict[str, Any] = {"input_usd_per_m": 0, "output_usd_per_m": 0}
    own = [Model(name, **free) for name in "abc"]
    marked = [*own, Model("d", auto=True, **free)]

    for models, expected in ((own, ["a", "b", "c"]), (marked, ["d"])):
        router = Router(providers=[EchoProvider(models=models)], store=store_path)
        assert [a.model.id for a in router._engine.arms()] == expected
    compatible = Router(providers=[wired(section=None, models=())], store=store_path)
    assert compatible._engine.arms() == ()
    assert compatible._engine.baseline is None
    with pytest.raises(ConfigurationError, match="no arms"):
        ask(compatible)


def test_two_names_of_one_model_are_one_arm(store_path: str) -> None:
    names = ["small", "sim/small", "big", "small"]
    router = zoo_router(store_path, models=names, aliases={"either": names})

    assert [a.id for a in router._engine.arms()] == ["sim/small", "sim/big"]
    for asked in ("auto", "either"):
        decision = router.plan(model=asked, messages=HELLO)
        assert [c.id for c in decision.candidates] == ["sim/small", "sim/big"]
    narrowed = router.with_options(models=["big", "sim/big"]).plan(model="auto", messages=HELLO)
    assert [c.id for c in narrowed.candidates] == ["sim/big"]


def test_an_arm_that_cannot_be_found_is_in_nobody_elses_way(store_path: str) -> None:
    router = zoo_router(store_path, models=["small", "bgi"], aliases={"either": ["big", "small"]})

    assert ask(router, "big").routing.model == "big"
    assert router.plan(model="small", messages=HELLO).reason
    assert ask(router, "either").routing.model == "big"
    with pytest.raises(NotFoundError, match="bgi"):
        ask(router)
    sound(router)


def test_a_baseline_that_cannot_be_found_is_an_error_where_it_counts(store_path: str) -> None:
    router = zoo_router(store_path, baseline="bgi")

    assert ask(router, "big").routing.model == "big"
    with pytest.raises(NotFoundError, match="bgi"):
        ask(router)


def test_a_served_model_is_priced_by_its_own_row_of_the_catalogue(store_path: str) -> None:
    engine = Router(providers=[official()], store=store_path)._engine
    asked = engine.resolve("gpt-5").deployment
    mini = engine.resolve("gpt-5-mini").deployment

    assert engine.prices_of(asked, None) == asked.model.prices
    assert engine.prices_of(asked, "gpt-5") == asked.model.prices
    assert engine.prices_of(asked, "gpt-5-mini") == mini.model.prices
    assert engine.prices_of(asked, "unheard-of") == asked.model.prices
    own = engine.add_model(Model("gpt-5", input_usd_per_m=7, output_usd_per_m=7))
    assert engine.prices_of(own, "gpt-5-mini") == own.model.prices


def test_prices_announced_for_a_day_are_looked_up_again_that_day(store_path: str) -> None:
    engine = zoo_router(store_path)._engine
    engine.find("small", None)
    assert engine._found

    engine._day -= 1
    engine.find("big", None)

    assert list(engine._found) == [("big", None)]


def test_an_old_price_table_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    engine_module._warn_if_stale.cache_clear()

    for _ in range(3):
        engine_module._warn_if_stale("2001-01-01", 20_000)
        engine_module._warn_if_stale("2024-10-01", 20_000)

    assert caplog.text.count("the price table is of 2001-01-01") == 1
    assert "2024-10-01" not in caplog.text


def test_two_threads_at_the_first_call_open_one_store(store_path: str) -> None:
    router = zoo_router(store_path)
    engine, barrier = router._engine, Barrier(2)
    found: list[Any] = []

    def look() -> None:
        barrier.wait()
        found.append((engine._make_database(), engine._make_learner()))

    threads = [Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found[0] == found[1]


def test_a_forked_child_has_locks_of_its_own(store_path: str) -> None:
    router, unused = zoo_router(store_path), zoo_router(":memory:")
    ask(router)

    with router._engine._lock, unused._engine._lock:
        engine_module._after_fork()
        router.on("error", print)
        unused.on("error", print)

    assert router._engine.learner.state is None
    ask(router)
    sound(router)


def test_the_default_place_is_the_users_data_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("TRUNKLINE_STORE")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))

    store = Router()._engine.store

    assert store.startswith(str(tmp_path))
    assert store.endswith(os.path.join("trunkline", "trunkline.sqlite3"))
    monkeypatch.setenv("TRUNKLINE_STORE", "postgresql://host/db")
    with pytest.raises(ConfigurationError, match="postgresql"):
        ask(Router(providers=[zoo()]), "small")


def test_closing_what_was_never_used_is_nothing(store_path: str) -> None:
    zoo_router(store_path).close()

    assert not os.path.exists(store_path)


@pytest.mark.parametrize(
    ("level", "expected"), [("debug", logging.DEBUG), ("info", logging.INFO), ("x", logging.INFO)]
)
def test_the_log_is_heard_on_demand(
    level: str, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LOG, "handlers", [])
    monkeypatch.setattr(LOG, "level", logging.NOTSET)

    listen(None)
    assert LOG.handlers == []
    listen(level)

    assert LOG.level == expected
    assert len(LOG.handlers) == 1
    LOG._cache.clear()  # type: ignore[attr-defined]
