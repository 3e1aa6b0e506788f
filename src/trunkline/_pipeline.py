"""The life of one request, once, top to bottom: admit, choose, hold, attempt, settle.

Everything that waits goes through ``io``; what is decided on the way is decided by plain functions
elsewhere. The same code serves ``Router`` and ``AsyncRouter``, plain and streamed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from trunkline import _retries
from trunkline._admission import Circumstances
from trunkline._holds import Hold, Outcome
from trunkline._io.body import read_all
from trunkline._settings import with_route
from trunkline._streams import Reading, StreamCore, elapsed_s
from trunkline._tasks import CHAT, Told
from trunkline.errors import (
    APIError,
    ConfigurationError,
    Refused,
    TrunklineError,
)
from trunkline.providers.base import Asked, HttpResponse
from trunkline.providers.call_keys import headers_for
from trunkline.providers.endpoint import request_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from trunkline._admission import Call
    from trunkline._engine import Engine
    from trunkline._io.protocol import IO, ByteSource
    from trunkline._settings import Settings
    from trunkline._tasks import Task
    from trunkline.catalog.models import Deployment
    from trunkline.providers.base import Provider, ProviderRequest
    from trunkline.types.chat import ChatCompletionChunk
    from trunkline.types.routing import Decision

A = TypeVar("A")

FALLBACKS_WITHIN_CANDIDATES = 2


async def create(
    engine: Engine, io: IO, settings: Settings, given: Mapping[str, Any], task: Task[A]
) -> A:
    """Serve one request: the whole answer, or a stream whose first chunk is here."""
    try:
        call = admit(engine, io, settings, given, task)
        return cast("A", await _serve(engine, io, call))
    except TrunklineError as error:
        if not isinstance(error, ConfigurationError):  # the caller's own mistake is no event
            engine.emit("refusal" if isinstance(error, Refused) else "error", error)
        raise


async def _serve(engine: Engine, io: IO, call: Call) -> Any:
    """Serve an admitted call; whatever happens, what it holds is ended once."""
    hold: Hold | None = None
    try:
        choice = await call.task.choose(engine, io, call)
        hold = Hold(engine, call, choice)
        await hold.take(io)
        engine.emit("decision", call.id)
        if hold.draw.lowered or any(hold.draw.mask):
            engine.emit("budget", call.id)
        return await Exchanges(engine, io, call, hold).answer()
    except BaseException as error:
        if hold is not None:
            hold.fail(error)
        if isinstance(error, TrunklineError):
            error.routing_id = call.id
            if hold is not None:
                hold.tell(error)
        raise


def admit(
    engine: Engine, io: IO, settings: Settings, given: Mapping[str, Any], task: Task[Any]
) -> Call:
    """Check the arguments and find out who may serve them."""
    arguments = task.take_apart(given)
    settings = with_route(settings, arguments.route)
    now = io.now()
    at = Circumstances(
        settings=settings,
        call_id=engine.new_id(now),
        created=now,
        find=partial(engine.find, models=settings.models),
        timeout_of=engine.timeout_of,
        providers=engine.providers,
    )
    return task.admit(arguments, task, at)


@dataclass(frozen=True, slots=True)
class Answer:
    """An exchange that brought a whole answer, or the beginning of a stream."""

    whole: Any
    reading: Reading | None
    first: list[ChatCompletionChunk]
    outcome: Outcome
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class Exchanges:
    """The exchanges of one call: attempts, retries, fallbacks, until one brings an answer."""

    def __init__(self, engine: Engine, io: IO, call: Call, hold: Hold) -> None:
        self.engine = engine
        self.io = io
        self.call = call
        self.hold = hold
        self.adjusted: tuple[str, ...] = ()
        self.failed = Outcome()
        self.reading: Reading | None = None
        self.deadline = None if call.deadline_s is None else io.monotonic() + call.deadline_s

    async def answer(self) -> Any:
        """Bring the answer, settled; or the stream, which settles itself."""
        answer = await self._first_that_answers()
        if answer.reading is not None:
            return StreamCore(self.io, self.hold, answer.reading, answer.first, self.adjusted)
        await self.hold.end(self.io, answer.outcome)
        routing = self.hold.routing(answer.outcome, self.adjusted)
        told = Told(routing, answer.headers)
        await self.call.task.deliver(self.engine, self.io, answer.whole, told)
        return answer.whole

    async def _first_that_answers(self) -> Answer:
        """Ask the drawn deployment, then the next ones, each with its retries."""
        error: TrunklineError | None = None
        for deployment in self._order():
            if error is not None:
                if not self._has_time() or not await self.hold.move(
                    self.io, self.failed, deployment
                ):
                    continue
                self.engine.emit("fallback", self.call.id)
            try:
                return await self._with_retries()
            except (APIError, ConfigurationError) as failure:
                # What went wrong with who was asked says more than that another could not be.
                if error is None or not _retries.is_refusal_of_ours(failure):
                    error = failure
                # Who turned out too dear to be asked after another failed is passed over.
                is_no_room = isinstance(failure, Refused) and error is not failure
                if not is_no_room and not _retries.may_fall_back(
                    failure, idempotent=self.call.idempotent
                ):
                    raise
        assert error is not None  # noqa: S101  # the order is never empty
        self.hold.end_now(self.failed)
        raise error

    def _order(self) -> Iterator[Deployment]:
        """Whom to ask: the drawn one, for ``auto`` the next in rank, then the fallbacks."""
        call, hold = self.call, self.hold
        drawn = hold.deployment
        yield drawn
        # Only a failure asks for more. Where the cap had to be lowered nothing fits as it is, and
        # the ledger fits each one anew.
        ranked = [
            call.candidates[i]
            for i in hold.choice.ranking
            if hold.draw.lowered or hold.draw.mask[i] is None
        ]
        tries = FALLBACKS_WITHIN_CANDIDATES
        asked = {drawn}
        for deployment in ranked:
            if tries and deployment not in asked:
                asked.add(deployment)
                yield deployment
                # Who could not even be asked has cost nothing, so it does not count.
                tries -= not _retries.is_refusal_of_ours(self.failed.error)
        yield from (d for d in dict.fromkeys(call.fallbacks) if d not in asked)

    async def _with_retries(self) -> Answer:
        return await _retries.with_retries(
            self._attempt,
            io=self.io,
            max_retries=self.call.settings.max_retries,
            jitter=self.engine.jitter,
            left_s=self._left_s,
            idempotent=self.call.idempotent,
            before_retry=self._make_room,
        )

    async def _make_room(self, _: APIError) -> bool:
        """Keep the hold if nothing was billed; if that is unknown, charge it and take another."""
        if not self.failed.may_have_billed:
            return True
        return await self.hold.move(self.io, self.failed, self.hold.deployment)

    async def _attempt(self) -> Answer:
        """Make one exchange; note what came of it, whatever that is."""
        provider = self.engine.providers[self.hold.deployment.provider]
        started = self.io.monotonic()
        source: ByteSource | None = None
        self.hold.in_flight = False
        self.reading = None
        try:
            built = self.call.task.build(provider, self._asked())
            if len(built.http.body) > self.hold.body_bytes:
                built = await self._covered(provider, built)
            self.adjusted = self._adjustments(built)
            self.hold.in_flight = True
            source = await self.io.open(
                built.http,
                timeout=self.call.timeout,
                deadline=self.deadline,
                transport=getattr(provider, "transport", None),  # see HasTransport
            )
            return await self._read(provider, built, source, started)
        except BaseException as error:
            if source is not None:
                source.abort()
            self._failed(error, elapsed_s(self.io, source, started), source)
            raise

    async def _covered(self, provider: Provider, built: ProviderRequest) -> ProviderRequest:
        """Return a request whose whole body is held for; it may come to a lower output cap."""
        while len(built.http.body) > self.hold.body_bytes:
            if await self.hold.cover(self.io, built.http.body):
                built = self.call.task.build(provider, self._asked())
        return built

    async def _read(
        self, provider: Provider, built: ProviderRequest, source: ByteSource, started: float
    ) -> Answer:
        if source.status >= 300:
            raise provider.failure(await _whole(source, tolerant=True), built.exchange)
        if self.call.stream:
            decoder, choices = provider.decoder(built.exchange), built.exchange.choices
            reading = Reading(self.io, source, decoder, started, choices)
            self.reading = reading
            first = await reading.until_content(self.call.timeout.read_s)
            return Answer(None, reading, first, Outcome())
        task = self.call.task
        if task.take is not None:
            whole = task.take(source)
        else:
            whole = task.parse(provider, await _whole(source), built.exchange)
        duration_s = elapsed_s(self.io, source, started)
        outcome = task.outcome(whole, duration_s, request_id(source.headers))
        return Answer(whole, None, [], outcome, source.headers)

    def _failed(self, error: BaseException, duration_s: float, source: ByteSource | None) -> None:
        begun = self.reading is not None and self.reading.has_begun
        may_have_billed = self.hold.in_flight and (begun or _retries.may_have_billed(error))
        self.failed = Outcome(
            usage=self.reading.decoder.usage if self.reading else getattr(error, "usage", None),
            error=error,
            may_have_billed=may_have_billed,
            duration_s=duration_s,
            request_id=request_id(source.headers) if source else None,
        )
        self.hold.note(self.failed)
        if isinstance(error, TrunklineError):
            self.hold.in_flight = may_have_billed

    def _asked(self) -> Asked:
        call, hold = self.call, self.hold
        name = hold.deployment.provider
        stream: dict[str, Any] = {"stream": True} if call.stream else {}
        return Asked(
            params={**call.params, **stream, "model": hold.deployment.model.id},
            deployment=hold.deployment,
            created=int(call.created),
            new_id=self.engine.new_provider_id,
            output_cap=None if call.output_cap is not None else hold.granted.output_cap,
            drop_params=call.settings.drop_params,
            headers=headers_for(
                call.headers, self.engine.providers[name], is_named=name == call.named
            ),
            query=call.query,
        )

    def _adjustments(self, built: ProviderRequest) -> tuple[str, ...]:
        granted = self.hold.granted
        if not granted.lowered:
            return built.adjusted
        return (*built.adjusted, f"output capped at {granted.output_cap} tokens to fit the budget")

    def _has_time(self) -> bool:
        left_s = self._left_s()
        return left_s is None or left_s > 0

    def _left_s(self) -> float | None:
        return None if self.deadline is None else self.deadline - self.io.monotonic()


async def _whole(source: ByteSource, *, tolerant: bool = False) -> HttpResponse:
    """Read the body; of an error answer as much as comes, because the status says enough."""
    body = b""
    try:
        body = await read_all(source)
    except APIError:
        if not tolerant:
            raise
    return HttpResponse(source.status, source.headers, body)


async def plan(engine: Engine, io: IO, settings: Settings, given: Mapping[str, Any]) -> Decision:
    """Decide as ``create`` would, without a call, a hold or a row."""
    call = admit(engine, io, settings, given, CHAT)
    choice = await CHAT.choose(engine, io, call)
    return choice.decision(call)
