"""Simulated models: chosen quality, latency, price and errors, the same ones under the same seed.

Decides what a model that does not exist would have answered. Every draw is a hash of seed, model,
request and how often this request was asked before, so it does not depend on the order in which
threads come. Time passes on the call's own clock unless ``real_time``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import count
from typing import TYPE_CHECKING, Any

from trunkline.catalog.models import Model
from trunkline.errors import ConfigurationError

from . import _local
from .base import Wait

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from decimal import Decimal

    from .base import Head, HttpRequest, Invoke

Params = Mapping[str, Any]
_PICO_PER_NANO = 1000
_PIECES = 8  # chunks of text in a stream


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedModel:
    """One simulated model; what may be a callable is asked with the request's parameters.

    Attributes:
        id: Its name.
        quality: True quality in [0, 1]; the answer carries it as ``simulated_quality``.
        quality_noise: Half the width of the uniform noise around it.
        latency_s: Seconds until the answer is whole.
        first_chunk_s: Seconds until a stream begins; default a quarter of it.
        input_usd_per_m: Price of a million input tokens.
        output_usd_per_m: Price of a million output tokens.
        error_rate: Share of requests answered by 500 or 429, half each, unbilled.
        output_tokens: Output before any cap.
        usage: ``(prompt_tokens, completion_tokens)`` in place of the counts made here.
        text: The answer; default a sentence of its own.
        prior_quality: What the catalogue would believe of it; default nothing.
    """

    id: str = field(kw_only=False)
    quality: float | Callable[[Params], float] = 0.7
    quality_noise: float = 0.0
    latency_s: float | Callable[[Params], float] = 1.0
    first_chunk_s: float | None = None
    input_usd_per_m: Decimal | str | int = 0
    output_usd_per_m: Decimal | str | int = 0
    error_rate: float = 0.0
    output_tokens: int | Callable[[Params], int] = 100
    usage: Callable[[Params], tuple[int, int]] | None = None
    text: str | Callable[[Params], str] | None = None
    context: int | None = None
    max_output: int | None = None
    prior_quality: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.error_rate <= 1:
            raise ConfigurationError(f"SimulatedModel error_rate={self.error_rate} is no share")

    @property
    def model(self) -> Model:
        """Return it as the catalogue sees it."""
        return Model(
            self.id,
            input_usd_per_m=self.input_usd_per_m,
            output_usd_per_m=self.output_usd_per_m,
            context=self.context,
            max_output=self.max_output,
            quality=self.prior_quality,
        )


@dataclass(frozen=True, slots=True)
class Billed:
    """What a simulated provider charged, exactly: the other side's books."""

    calls: int
    prompt_tokens: int
    completion_tokens: int
    nanousd: int


class SimulatedProvider(_local.LocalProvider):
    """Answers for simulated models.

    Args:
        name: Name in ``provider/model``.
        models: The models it answers for.
        seed: Of every draw.
        real_time: Whether latency really sleeps.
    """

    def __init__(
        self,
        name: str = "simulated",
        *,
        models: Sequence[SimulatedModel],
        seed: int = 0,
        real_time: bool = False,
    ) -> None:
        super().__init__(name, [m.model for m in models])
        self._simulated = {m.id: m for m in models}
        self._prices = {m.id: m.prices for m in self.models}
        self._seed = seed
        self._real_time = real_time
        self._asked: dict[str, count[int]] = {}
        # Appending to a list is atomic, adding to a number is not: each bill stays a row.
        self._bills: list[tuple[int, int, int]] = []

    @property
    def billed(self) -> Billed:
        """What was charged so far."""
        bills = list(self._bills)
        return Billed(
            len(bills), sum(b[0] for b in bills), sum(b[1] for b in bills), sum(b[2] for b in bills)
        )

    def transport(self, request: HttpRequest) -> Generator[Head | Wait | Invoke | bytes, Any, None]:
        """Answer without a socket; see ``base.HasTransport``."""
        answer = _local.Answering(request)
        model = self._simulated.get(answer.model)
        if model is None:
            message = f"{self.name} simulates no model {answer.model!r}"
            yield from _local.error_answer(404, message, type="model_not_found")
            return
        draws = self._draws(answer)
        latency = _asked(model.latency_s, answer.params)
        if draws.next() < model.error_rate:
            yield self._wait(latency)
            limited = draws.next() < 0.5  # half each
            status, kind = (429, "rate_limit_exceeded") if limited else (500, "server_error")
            yield from _local.error_answer(status, f"simulated {kind}", type=kind)
            return
        draws.next()
        plan = _plan(model, answer.params, draws.next())
        if answer.stream:
            yield from self._stream(answer, plan, latency, model.first_chunk_s)
        else:
            yield self._wait(latency)
            self._bill(answer.model, plan.prompt, plan.output)
            yield answer.head()
            yield answer.whole(plan.text, plan.finish, plan.usage, simulated_quality=plan.quality)

    def _stream(
        self, answer: _local.Answering, plan: _Plan, latency: float, first_chunk_s: float | None
    ) -> Generator[Head | Wait | bytes, Any, None]:
        first = latency / 4 if first_chunk_s is None else min(first_chunk_s, latency)
        yield self._wait(first)
        yield answer.head()
        pieces = _cut(plan.text)
        made = 0
        try:
            for number, text in enumerate(pieces, 1):
                made = plan.output * number // len(pieces)
                yield answer.piece(text)
                yield self._wait((latency - first) / len(pieces))
            made = plan.output
            yield answer.end(plan.finish, plan.usage, simulated_quality=plan.quality)
        finally:
            # Who hangs up pays for what was made until then, as with a real provider.
            self._bill(answer.model, plan.prompt, made)

    def _wait(self, seconds: float) -> Wait:
        return Wait(max(0.0, seconds), real=self._real_time)

    def _bill(self, model: str, prompt: int, output: int) -> None:
        prices = self._prices[model]
        pico = prompt * prices.base.input + output * prices.base.output if prices else 0
        self._bills.append((prompt, output, -(-pico // _PICO_PER_NANO)))

    def _draws(self, answer: _local.Answering) -> _Draws:
        # Only what the caller said: a retry or another cap is the same question.
        request = f"{answer.model}/{answer.params.get('messages')!r}"
        digest = blake2b(request.encode("utf-8", "replace"), digest_size=16).hexdigest()
        number = next(self._asked.setdefault(digest, count()))
        return _Draws(self._seed, digest, number)


@dataclass(frozen=True, slots=True)
class _Plan:
    """One answer before it is given."""

    text: str
    finish: str
    quality: float
    prompt: int
    output: int

    @property
    def usage(self) -> dict[str, int]:
        return _local.usage_of(self.prompt, self.output)


def _plan(model: SimulatedModel, params: Params, u: float) -> _Plan:
    quality = _asked(model.quality, params) + model.quality_noise * (2 * u - 1)
    prompt, output = (
        model.usage(params)
        if model.usage is not None
        else (_local.prompt_tokens(params), _asked(model.output_tokens, params))
    )
    cap = _local.output_cap(params)
    is_cut = cap is not None and output > cap
    text = _asked(model.text, params)
    return _Plan(
        text=f"A simulated answer of {output} tokens by {model.id}." if text is None else text,
        finish="length" if is_cut else "stop",
        quality=min(1.0, max(0.0, quality)),
        prompt=prompt,
        output=min(output, cap) if cap is not None else output,
    )


def _asked(value: Any, params: Params) -> Any:
    return value(params) if callable(value) else value


def _cut(text: str) -> list[str]:
    """Cut a text into at most ``_PIECES`` pieces, at least one."""
    size = max(1, -(-len(text) // _PIECES))
    return [text[i : i + size] for i in range(0, len(text), size)] or [""]


class _Draws:
    """Uniform numbers in [0, 1) from one hash."""

    def __init__(self, *parts: object) -> None:
        digest = blake2b("\0".join(map(str, parts)).encode("utf-8", "replace"), digest_size=32)
        self._numbers: Iterator[int] = iter(memoryview(digest.digest()).cast("Q"))

    def next(self) -> float:
        return (next(self._numbers) >> 11) * 2.0**-53
