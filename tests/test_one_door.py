"""M11: whatever reaches a provider went through reserve and settle first.

The public methods of both routers are enumerated, so a new one fails here until it is listed.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.faces import HELLO, zoo
from tests.support.inside import Inside

from trunkline import AsyncRouter, NotFoundError, RawResponse, Router

if TYPE_CHECKING:
    from collections.abc import Iterator

RESOURCES = ("chat", "embeddings", "models", "budgets", "usage", "rewards")
CHATS: list[dict[str, Any]] = [
    {"model": "chats", "messages": HELLO},
    {"model": "chats", "messages": HELLO, "stream": True},
]
VECTORS: list[dict[str, Any]] = [{"model": "vectors", "input": "hello"}]
# How to call the methods that reach a provider; ``models.list`` does with ``live=True`` alone.
REACHES_A_PROVIDER: dict[str, list[dict[str, Any]]] = {
    "chat.completions.create": CHATS,
    "chat.completions.parse": [CHATS[0]],
    "chat.completions.stream": [CHATS[0]],
    "chat.completions.with_raw_response.create": CHATS,
    "chat.completions.with_raw_response.parse": [CHATS[0]],
    "embeddings.create": VECTORS,
    "embeddings.with_raw_response.create": VECTORS,
    "models.list": [{"live": True}],
}
# How to call the methods that must reach nobody.
ARGUMENTS: dict[str, Any] = {
    "acting_as": None,
    "aclose": {},
    "budget": {"usd": "1"},
    "budgets.correct": {"routing_id": "x", "usd": "1"},
    "budgets.holds": {},
    "budgets.remove": {"scope": "all"},
    "budgets.set": {"scope": "all", "usd": "1"},
    "budgets.status": {},
    "close": {},
    "copy": {"team": "a"},
    "explain": {"routing_id": "x"},
    "feedback": {"response": "x", "score": 1},
    "from_config": {"path": "nowhere.toml"},
    "is_closed": {},
    "models.add": None,
    "models.compat": {"messages": HELLO},
    "models.list": {},
    "models.resolve": {"name": "small"},
    "models.retrieve": {"model": "small"},
    "on": {"event": "error", "fn": print},
    "plan": {"messages": HELLO, "model": "small"},
    "rewards.add": {"name": "n", "fn": len},
    "rewards.remove": {"name": "n"},
    "usage.records": {},
    "usage.summary": {},
    "with_options": {"team": "a"},
}


def methods(thing: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the public methods of a router and of what hangs on it."""
    for name in dir(thing):
        if name.startswith("_"):
            continue
        value = getattr(thing, name)
        if callable(value):
            yield prefix + name, value
        elif type(value).__module__.startswith("trunkline"):
            yield from methods(value, f"{prefix}{name}.")


def finish(result: Any) -> Any:
    async def awaited() -> Any:
        return await result

    return asyncio.run(awaited()) if inspect.isawaitable(result) else result


def closed(answer: Any) -> None:
    """Close what is streamed: by itself, with its headers, or where its block is entered."""
    if isinstance(answer, RawResponse):
        answer = answer.parse()
    if hasattr(answer, "__aenter__"):
        finish(answer.__aenter__())
        finish(answer.__aexit__(None, None, None))
    elif hasattr(answer, "__enter__"):
        with answer:
            pass


@pytest.fixture(params=[Router, AsyncRouter])
def router(request: Any, store_path: str) -> Any:
    return request.param(providers=[zoo(), Inside(no_answer)], store=store_path)


def no_answer(_: Any) -> None:
    raise AssertionError("a provider was reached")


def test_every_public_method_is_known_here(router: Any) -> None:
    names = {name for name, _ in methods(router)}

    assert names == {*REACHES_A_PROVIDER, *ARGUMENTS} - MISSING[type(router)]
    assert {name.partition(".")[0] for name in names if "." in name} == set(RESOURCES)


def test_what_is_no_call_reaches_no_provider_and_holds_nothing(router: Any) -> None:
    for name, method in methods(router):
        if (arguments := ARGUMENTS.get(name)) is None:
            continue
        with contextlib.suppress(NotFoundError, ValueError):
            finish(method(**arguments))

    assert router._engine.providers["sim"].billed.calls == 0
    assert len(finish(router.usage.records())) == 0


@pytest.mark.parametrize(
    ("name", "arguments"), [(name, a) for name, ways in REACHES_A_PROVIDER.items() for a in ways]
)
def test_what_reaches_a_provider_holds_before_and_settles_after(
    router: Any, name: str, arguments: dict[str, Any]
) -> None:
    held: list[int] = []

    def reached(_: Any) -> None:
        database = router._engine.database
        held.append(database.read(lambda c: c.execute(HELD).fetchone()[0]))

    router._engine.providers["inside"]._seen = reached
    closed(finish(dict(methods(router))[name](**arguments)))

    assert held == [1]
    assert len(finish(router.budgets.holds())) == 0
    (record,) = finish(router.usage.records())
    assert record.provider == "inside"
    assert finish(router.explain(record.routing_id)).chosen.model == record.model


# What one of the two faces does not have.
MISSING = {Router: {"acting_as", "aclose"}, AsyncRouter: {"acting_as"}}
HELD = "SELECT count(*) FROM hold WHERE state = 'reserved'"
