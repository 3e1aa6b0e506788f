from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING, Any

import pytest
import trio
from openai.types.chat import ChatCompletion as TheirCompletion
from tests.support.faces import (
    HELLO,
    completion,
    failing,
    sound,
    stream_of,
    wired,
    written,
    zoo,
    zoo_router,
)
from tests.support.server import ScriptedServer, answer

from trunkline import (
    AsyncRouter,
    AsyncStream,
    BudgetExceededError,
    ConfigurationError,
    RateLimitError,
    StreamInterruptedError,
)
from trunkline.providers import FunctionProvider

if TYPE_CHECKING:
    from pathlib import Path


def make(store: Any, **options: Any) -> AsyncRouter:
    given: dict[str, Any] = {"providers": [zoo()], "models": ["small", "big"], "seed": 7}
    return AsyncRouter(store=store, **{**given, **options})


async def ask(router: AsyncRouter, model: str = "auto", **params: Any) -> Any:
    return await router.chat.completions.create(model=model, **{"messages": HELLO, **params})


@pytest.mark.parametrize("way", ["asyncio", "trio"])
def test_a_call_is_answered_settled_and_explained(way: str, store_path: str) -> None:
    async def main() -> Any:
        async with make(store_path, team="a") as router:
            assert (await router.plan(messages=HELLO)).chosen.model == "small"
            answered = await ask(router)
            assert (await router.explain(answered.routing.id)).id == answered.routing.id
            return answered

    run: Any = asyncio.run if way == "asyncio" else None
    answered = run(main()) if run else trio.run(main)

    TheirCompletion.model_validate(answered.model_dump())
    assert answered.routing.team == "a"
    assert copy.copy(answered).routing.actual.cost_usd > 0


def test_one_router_survives_several_loops(store_path: str) -> None:
    with ScriptedServer([[answer(completion("a"))]]) as server:
        router = AsyncRouter(
            providers=[wired(base_url=server.url.removesuffix("/chat"))], store=store_path
        )
        for _ in range(3):
            answered = asyncio.run(ask(router, "p/m"))
            assert answered.choices[0].message.content == "a"
        trio.run(ask, router, "p/m")
        asyncio.run(router.aclose())

    assert len(server.requests) == 4


async def test_a_stream_is_iterated_and_settled(store_path: str) -> None:
    router = make(store_path)

    stream = await ask(router, "small", stream=True)
    chunks = [chunk async for chunk in stream]

    assert isinstance(stream, AsyncStream)
    assert stream.response is not None
    assert written(chunks) == stream.response.choices[0].message.content
    assert not stream.routing.estimated
    assert repr(stream) == "<AsyncStream sim/small closed>"
    await router.close()


async def test_a_stream_closed_early_is_settled_as_received(store_path: str) -> None:
    router = make(store_path)

    async with await ask(router, "small", stream=True) as stream:
        await anext(stream)
    await stream.aclose()

    assert stream.routing.estimated
    assert len(await router.budgets.holds()) == 0


async def test_a_stream_that_breaks_raises_after_what_came(store_path: str) -> None:
    broken = stream_of("a", "b").partition(b'"finish_reason":"stop"')[0]
    with ScriptedServer([[answer(broken)]]) as server:
        router = AsyncRouter(
            providers=[wired(base_url=server.url.removesuffix("/chat"))], store=store_path
        )
        stream = await ask(router, "p/m", stream=True)
        seen = [await anext(stream), await anext(stream), await anext(stream)]
        with pytest.raises(StreamInterruptedError):
            await anext(stream)
        await router.close()

    assert written(seen) == "ab"


async def test_an_async_function_is_awaited(store_path: str) -> None:
    async def fn(messages: Any, **_: Any) -> str:
        await asyncio.sleep(0)
        return "awaited"

    async with AsyncRouter(providers=[FunctionProvider(fn)], store=store_path) as router:
        answered = await ask(router, "function")

    assert answered.choices[0].message.content == "awaited"


async def test_a_plain_function_runs_beside_the_loop(store_path: str) -> None:
    import threading

    async with AsyncRouter(
        providers=[FunctionProvider(lambda *_, **__: threading.current_thread().name)],
        store=store_path,
    ) as router:
        answered = await ask(router, "function")

    assert answered.choices[0].message.content != threading.current_thread().name


async def test_calls_in_flight_share_one_budget(store_path: str) -> None:
    async with make(store_path) as router:
        await router.budgets.set("all", "0.001", on_exceeded="refuse")
        results = await asyncio.gather(
            *(ask(router, "small", max_tokens=100) for _ in range(40)), return_exceptions=True
        )
        (status,) = await router.budgets.status("all")

    refused = [r for r in results if isinstance(r, BudgetExceededError)]
    assert 0 < len(refused) < 40
    assert status.spent <= status.limit
    assert status.held == 0


async def test_failover_and_errors_are_the_same(store_path: str) -> None:
    async with make(store_path, providers=[failing("a"), zoo()], max_retries=0) as router:
        told = (await ask(router.with_options(fallbacks=["small"]), "a-model")).routing
        with pytest.raises(Exception, match="simulated") as caught:
            await ask(router, "a-model")

    assert [a.provider for a in told.attempts] == ["a", "sim"]
    assert isinstance(caught.value, RateLimitError) or caught.value.status_code == 500  # type: ignore[attr-defined]


async def test_full_durability_hops_and_works(store_path: str) -> None:
    async with make(store_path, durability="full") as router:
        assert (await ask(router)).choices
        assert len(await router.usage.records()) == 1


async def test_both_kinds_share_a_store(store_path: str) -> None:
    sync = zoo_router(store_path)
    async with make(store_path) as router:
        answered = await ask(router)

    sync.feedback(answered, score=1)

    assert sync.explain(answered.routing.id).id
    sound(sync)


async def test_a_view_and_a_hook_need_no_await(store_path: str) -> None:
    heard: list[Any] = []
    async with make(store_path) as router:
        stop = router.with_options(team="t").on("response", heard.append)
        answered = await ask(router)
        stop()
        await ask(router)

    assert heard == [answered]


def test_bad_arguments_are_refused_the_same(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="policy"):
        AsyncRouter(policy="best", store=tmp_path / "s.sqlite3")
    assert "AsyncRouter providers: none" in repr(AsyncRouter(store=tmp_path / "s.sqlite3"))


def test_the_async_router_comes_from_a_file_too(tmp_path: Path) -> None:
    path = tmp_path / "t.toml"
    path.write_text('team = "a"')

    assert isinstance(AsyncRouter.from_config(path), AsyncRouter)
