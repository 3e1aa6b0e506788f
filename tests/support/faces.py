"""Routers over simulated, scripted and wired providers, and an IO object with a hand clock."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from trunkline import Model, Router
from trunkline.providers import OpenAIProvider, SimulatedProvider
from trunkline.providers.simulated import SimulatedModel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from trunkline.providers.base import HttpRequest

HELLO: list[Any] = [{"role": "user", "content": "Hello there"}]
DOLLAR = 1_000_000_000
USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
PRICES: dict[str, Any] = {"input_usd_per_m": "1", "output_usd_per_m": "2"}


def zoo(name: str = "sim", **fields: Any) -> SimulatedProvider:
    """Two simulated models, ``small`` and ten times dearer ``big``, 100 tokens an answer."""
    prices = {"small": ("0.1", "0.4"), "big": ("1", "4")}
    return SimulatedProvider(
        name,
        models=[
            SimulatedModel(id=id_, input_usd_per_m=i, output_usd_per_m=o, **fields)
            for id_, (i, o) in prices.items()
        ],
    )


def failing(name: str, *, rate: float = 1.0) -> SimulatedProvider:
    """Return a provider whose model ``NAME-model`` answers 429 or 500."""
    return SimulatedProvider(
        name,
        models=[
            SimulatedModel(
                id=f"{name}-model", error_rate=rate, input_usd_per_m=1, output_usd_per_m=1
            )
        ],
    )


def zoo_router(store: Any, **options: Any) -> Router:
    """A router over ``zoo`` with both as the arms of ``auto``, ``small`` first."""
    given: dict[str, Any] = {"providers": [zoo()], "models": ["small", "big"], "seed": 7}
    return Router(store=store, **{**given, **options})


def ask(router: Router, model: str = "auto", **params: Any) -> Any:
    """Ask for an answer to ``HELLO``."""
    return router.chat.completions.create(model=model, **{"messages": HELLO, **params})


def completion(text: str = "Hi!", usage: Any = USAGE, **fields: Any) -> bytes:
    """Return an answer's body in OpenAI's shape; ``usage=...`` leaves usage out."""
    body: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": "stop",
            }
        ],
    }
    if usage is not ...:
        body["usage"] = usage
    return to_json({**body, **fields})


def event(delta: Any = None, finish: str | None = None, usage: Any = None, **fields: Any) -> bytes:
    """Return one event of a stream: a delta (a string is content), a finish, or usage."""
    choices: list[Any] = []
    if delta is not None or finish is not None:
        delta = {"content": delta} if isinstance(delta, str) else delta or {}
        choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    body: dict[str, Any] = {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": choices,
    }
    if usage is not None:
        body["usage"] = usage
    return b"data: " + to_json({**body, **fields}) + b"\n\n"


DONE = b"data: [DONE]\n\n"


def stream_of(*texts: str, usage: Any = USAGE) -> bytes:
    """Return a whole stream: role, texts, finish, usage, end mark."""
    events = [event({"role": "assistant", "content": ""}), *(event(t) for t in texts)]
    events.append(event(finish="stop"))
    if usage is not None:
        events.append(event(usage=usage))
    return b"".join(events) + DONE


def drain(stream: Any, seen: list[Any]) -> None:
    """Append each chunk to ``seen``, so that those before an error are there."""
    for chunk in stream:
        seen.append(chunk)  # noqa: PERF402


def written(chunks: Any) -> str:
    """Return the text that chunks spell."""
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


@dataclass
class Scripted:
    """One scripted exchange: an error to raise, or status, headers and pieces of the body.

    A piece that is an exception is raised by the read; a number lets so many seconds pass first.
    """

    pieces: Sequence[Any] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    error: BaseException | None = None
    takes_s: float = 0.0


class FakeSource:
    """A ``ByteSource`` over a script."""

    def __init__(self, script: Scripted, io: FakeIO) -> None:
        self.status, self.headers = script.status, script.headers
        self.elapsed_extra_s = 0.0
        self._pieces = list(script.pieces)
        self._io = io
        self.idles: list[float | None] = []
        self.ended = ""

    async def read(self, *, idle_s: float | None = None) -> bytes:
        self.idles.append(idle_s)
        while self._pieces:
            piece = self._pieces.pop(0)
            if isinstance(piece, BaseException):
                raise piece
            if isinstance(piece, bytes):
                return piece
            self._io.clock += piece
        return b""

    async def close(self) -> None:
        self.ended = self.ended or "closed"

    def abort(self) -> None:
        self.ended = self.ended or "aborted"


class FakeIO:
    """IO that answers what was written down and whose clock is moved by hand and by sleeping.

    Attributes:
        requests: What was sent.
        sources: The exchanges, in order.
        slept: Every wait between tries.
    """

    def __init__(self, *scripts: Scripted) -> None:
        self.scripts = list(scripts)
        self.clock = 1000.0
        self.requests: list[HttpRequest] = []
        self.sources: list[FakeSource] = []
        self.slept: list[float] = []
        self.limits: list[tuple[Any, float | None]] = []

    async def open(
        self,
        request: HttpRequest,
        *,
        timeout: Any,  # noqa: ASYNC109  # the protocol's name
        deadline: float | None,
        transport: Any = None,
    ) -> FakeSource:
        self.requests.append(request)
        self.limits.append((timeout, deadline))
        script = self.scripts.pop(0)
        self.clock += script.takes_s
        if script.error is not None:
            raise script.error
        self.sources.append(FakeSource(script, self))
        return self.sources[-1]

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock += seconds

    async def call(self, fn: Callable[[], Any]) -> Any:
        return fn()

    async def hop(self, fn: Callable[[], Any]) -> Any:
        return fn()

    def now(self) -> float:
        return time.time() + self.clock - 1000.0  # the ledger's other writers know the real one

    def monotonic(self) -> float:
        return self.clock


def wired(
    name: str = "p", base_url: str = "http://localhost:9/v1", **options: Any
) -> OpenAIProvider:
    """An OpenAI-compatible provider with a model ``m`` at $1 and $2 a million tokens."""
    given: dict[str, Any] = {
        "api_key": "sk-canary-0123456789",
        "models": [Model("m", max_output=1000, **PRICES)],
        "section": None,
    }
    return OpenAIProvider(name, base_url=base_url, **{**given, **options})


def scripted_router(store: Any, *scripts: Scripted, **options: Any) -> tuple[Router, FakeIO]:
    """A router over ``wired`` whose exchanges are those written down."""
    given: dict[str, Any] = {"providers": [wired()], "models": ["p/m"], "seed": 1}
    router = Router(store=store, **{**given, **options})
    io = FakeIO(*scripts)
    router._io = io  # type: ignore[assignment]
    return router, io


def spent(router: Router, scope: str = "all") -> int:
    """Return what a budget has been charged, in nano-dollars."""
    return int(router.budgets.status(scope)[0].spent * DOLLAR)


def sound(router: Router) -> None:
    """Nothing is held and the totals are sums over the rows."""
    assert len(router.budgets.holds()) == 0
    assert router._engine.database.check() == []
