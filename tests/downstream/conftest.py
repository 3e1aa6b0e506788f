"""The client each library is given, whom it asks, and what our books say afterwards.

Without its library a test file is not collected; ``TRUNKLINE_REQUIRE_DOWNSTREAM=NAME`` makes its
absence an error. ``TRUNKLINE_DOWNSTREAM_GENUINE=1`` runs what needs no books with the genuine
client as well: what fails there too is not ours.
"""

from __future__ import annotations

import asyncio
import os
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from tests.downstream.fakes import MODEL, Brain, FakeProvider, FakeServer, models
from tests.downstream.libraries import LIBRARIES

from trunkline import AsyncRouter, Router
from trunkline.providers import EchoProvider, SimulatedProvider
from trunkline.providers.simulated import SimulatedModel

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")
QUIET = {
    "ANONYMIZED_TELEMETRY": "false",
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "LANGCHAIN_TRACING_V2": "false",
    "LANGSMITH_TRACING": "false",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
}
REQUIRED = os.environ.get("TRUNKLINE_REQUIRE_DOWNSTREAM", "")
GENUINE = ["genuine"] if os.environ.get("TRUNKLINE_DOWNSTREAM_GENUINE") == "1" else []


def _is_here(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # its parent is missing
        return False


HERE = {name: row for name, row in LIBRARIES.items() if _is_here(row.module)}
collect_ignore = [row.test_file for name, row in LIBRARIES.items() if name not in HERE]
if REQUIRED and REQUIRED not in HERE:
    raise pytest.UsageError(f"{REQUIRED} must be installed: {', '.join(LIBRARIES)} are known")
if HERE:
    os.environ.update(QUIET)


class Door:
    """One way from a client to answers, and the books it is written in.

    Args:
        kind: ``"inside"``: a Router over the brain in this process. ``"wire"``: our client with a
            ``base_url``, over HTTP. ``"auto"``: a Router over simulated models. ``"genuine"``: the
            SDK's own client, over HTTP.
        store: Path of the books.

    Attributes:
        brain: What answers, and what it has seen.
        model: What to ask for.
        refusals: What the Router refused (``inside`` and ``auto``).
    """

    def __init__(self, kind: str, store: str, brain: Brain, url: str) -> None:
        self.kind, self.store, self.brain, self.url = kind, store, brain, url
        self.model = "auto" if kind == "auto" else MODEL
        self.refusals: list[Any] = []
        self._closing: list[Any] = []

    def client(self, **options: Any) -> Any:
        """Return a client; options are the SDK's."""
        return self._kept(self._client("OpenAI", self.router, options))

    def async_client(self, **options: Any) -> Any:
        """Return an asynchronous client; close it in the test."""
        return self._client("AsyncOpenAI", self.async_router, options)

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments of ``wire``, for libraries that construct."""
        return {
            "base_url": self.url,
            "api_key": "k",
            "store": self.store,
            "models": [m for m in models() if m.id == MODEL],
        }

    def router(self, **options: Any) -> Router:
        """Return a Router over the same provider and store."""
        router = self._kept(Router(store=self.store, **self._asked(), **options))
        router.on("refusal", self.refusals.append)
        return router

    def async_router(self, **options: Any) -> AsyncRouter:
        """Return the same to be awaited."""
        router = AsyncRouter(store=self.store, **self._asked(), **options)
        router.on("refusal", self.refusals.append)
        return router

    def books(self) -> Router:
        """Return a Router that only reads and sets budgets."""
        return self._kept(Router(store=self.store, providers=[EchoProvider()]))

    def rows(self) -> list[Any]:
        """Return our records of use, one an attempt, the oldest first."""
        return sorted(self.books().usage.records(), key=lambda row: row.timestamp)

    def billed(self) -> list[tuple[Any, Any]]:
        """Return prompt and completion tokens of each call, as the books have them.

        The genuine client keeps no books, so there it is what the brain gave.
        """
        if self.kind == "genuine":
            return list(self.brain.usages)
        return [
            (row.prompt_tokens, row.completion_tokens)
            for row in self.rows()
            if row.state == "settled"
        ]

    def budget(self, usd: str) -> None:
        """Cap everything."""
        self.books().budgets.set("all", usd=usd)

    def close(self) -> None:
        """Close what this door has made."""
        for thing in reversed(self._closing):
            thing.close()

    def _client(self, name: str, router: Any, options: dict[str, Any]) -> Any:
        if self.kind == "genuine":
            given = {"base_url": self.url, "api_key": "k"}
        else:
            given = self.settings() if self.kind == "wire" else {"router": router()}
        package = "openai" if self.kind == "genuine" else "trunkline.openai"
        return getattr(import_module(package), name)(**given, **options)

    def _kept(self, thing: T) -> T:
        self._closing.append(thing)
        return thing

    def _asked(self) -> dict[str, Any]:
        if self.kind == "auto":
            arms = [SimulatedModel(id=i, text=f"{i} speaks") for i in ("small", "big")]
            return {"providers": [SimulatedProvider(models=arms)], "models": ["small", "big"]}
        return {"providers": [FakeProvider(self.brain)], "models": [MODEL]}


@pytest.fixture(params=["inside", "wire", *GENUINE])
def door(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Door]:
    """Each way from a client to the brain."""
    yield from _doors(request.param, tmp_path)


@pytest.fixture(params=["inside", "wire"])
def our_door(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Door]:
    """Each way through our own client."""
    yield from _doors(request.param, tmp_path)


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[Door]:
    """Only the Router in this process: for what needs to see its refusals."""
    yield from _doors("inside", tmp_path)


@pytest.fixture
def auto(tmp_path: Path) -> Iterator[Door]:
    """Simulated models, to be asked for as ``auto``."""
    yield from _doors("auto", tmp_path)


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """The current event loop of a synchronous test, for libraries that run in that one."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield loop
    asyncio.set_event_loop(None)
    loop.close()


def _doors(kind: str, folder: Path) -> Iterator[Door]:
    brain = Brain()
    with FakeServer(brain) as server:
        door = Door(kind, str(folder / "books.sqlite3"), brain, server.url)
        yield door
        door.close()
