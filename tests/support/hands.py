"""Runs one coroutine under each of the three ways the library runs: plain, asyncio, trio."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

import trio

from trunkline._io.async_ import AsyncIO
from trunkline._io.blocking import BlockingIO, run_to_completion
from trunkline._io.pool import HttpPool

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

WAYS = ("sync", "asyncio", "trio")


class Hands:
    """One way to run; ``io`` is its IO object over ``pool``."""

    def __init__(self, way: str, **pool: Any) -> None:
        self.way = way
        self.pool = HttpPool(**pool)
        self.io: Any = BlockingIO(self.pool) if way == "sync" else AsyncIO(self.pool)

    def run(self, function: Callable[..., Coroutine[Any, Any, T]], *args: Any) -> T:
        """Run ``function(io, *args)`` to its end."""
        if self.way == "sync":
            return run_to_completion(function(self.io, *args))
        if self.way == "asyncio":
            return asyncio.run(function(self.io, *args))
        return trio.run(function, self.io, *args)
