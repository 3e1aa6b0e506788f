"""``Router`` and ``AsyncRouter``: the face. Construction, views, and thin typed shells."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, Self, TypeVar, Unpack

from trunkline import _settings
from trunkline._blocks import BlockBudget, caps_in_scope
from trunkline._engine import Engine
from trunkline._io.blocking import BlockingIO, run_to_completion
from trunkline._io.limits import timeout_of
from trunkline._io.pool import HttpPool
from trunkline._settings import AUTO, Settings
from trunkline.catalog.models import Model
from trunkline.errors import ConfigurationError
from trunkline.providers import registry
from trunkline.types.routing import Objective, RouteOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from decimal import Decimal
    from types import TracebackType

    from trunkline._asking import AsyncChat, AsyncEmbeddings, Chat, Embeddings
    from trunkline._io.async_ import AsyncIO
    from trunkline._resources import (
        AsyncBudgets,
        AsyncModels,
        AsyncUsage,
        Budgets,
        Models,
        Rewards,
        Usage,
    )
    from trunkline.policies import Policy
    from trunkline.providers.base import Provider
    from trunkline.types.params import ChatParams
    from trunkline.types.routing import Decision

    Usd = Decimal | str | int

V = TypeVar("V", bound="_Base")

# What code may look for that was written for an ``OpenAI`` object.
_OF_THE_SDK = frozenset(
    {
        *("responses", "completions", "moderations", "images", "audio", "files", "batches", "beta"),
        *("uploads", "vector_stores", "fine_tuning", "evals", "realtime", "containers", "webhooks"),
        *("with_raw_response", "with_streaming_response"),
    }
)


class _Base:
    """Construction and views: what needs neither store nor network.

    Args:
        api_key: Of the OpenAI provider, as in the SDK; like the five that follow.
        base_url: Any OpenAI-compatible endpoint.
        organization: OpenAI organisation.
        project: OpenAI project.
        default_headers: Sent with every request to it.
        default_query: The same.
        providers: Whom to ask; default: those whose key is in the environment.
        models: The arms of ``model="auto"``; default: the catalogue's choice for the providers.
        aliases: More names like ``auto``, each with its arms.
        baseline: What "never worse than" means; default ``models[0]``.
        objective: What to want.
        policy: ``"learned"``, ``"cheapest"``, ``"fastest"``, ``"baseline"`` or a policy object.
        fallbacks: Asked when a call fails, never for money.
        team: Whose budgets apply and whom the log names.
        user: The same; OpenAI's ``user=`` parameter is not this.
        tags: More dimensions for budgets and usage.
        store: Path of the SQLite file, or ``":memory:"``; default ``TRUNKLINE_STORE``, else the
            user's data directory.
        content: What the log keeps of messages; only ``"none"`` for now.
        max_output_tokens: The output cap held, and under a budget sent, where a call gives none.
        unpriced: Under a budget, whether models without a price are ``"refuse"``d or ``"allow"``ed;
            or a ``Model`` whose prices stand in for the unknown ones.
        drop_params: Drop what a provider cannot do, and report it, instead of refusing.
        timeout: Seconds per attempt, ``None``, or an ``httpx.Timeout``.
        deadline_s: Seconds for all attempts and the body; default ``timeout``, none for streams.
        max_retries: Per deployment.
        durability: ``"normal"``, or ``"full"`` to survive power loss at the price of an fsync.
        seed: Makes draws a function of the call's number.
        http_client: An httpx client to send everything through.
        cache: Not available yet.
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        organization: str | None = None,
        project: str | None = None,
        default_headers: Mapping[str, str] | None = None,
        default_query: Mapping[str, Any] | None = None,
        providers: Iterable[Provider] | None = None,
        models: Iterable[str | Model] | None = None,
        aliases: Mapping[str, Sequence[str | Model]] | None = None,
        baseline: str | None = None,
        objective: Objective | None = None,
        policy: str | Policy = "learned",
        fallbacks: Sequence[str] = (),
        team: str | None = None,
        user: str | None = None,
        tags: Mapping[str, str] | None = None,
        store: str | os.PathLike[str] | None = None,
        content: str = "none",
        max_output_tokens: int = 8192,
        unpriced: str | Model = "refuse",
        drop_params: bool = False,
        timeout: Any = 600.0,
        deadline_s: float | None = None,
        max_retries: int = 2,
        durability: str = "normal",
        seed: int | None = None,
        http_client: Any = None,
        cache: None = None,
    ) -> None:
        _settings.refuse_unavailable(content=content, cache=cache)
        _settings.check_numbers(max_output_tokens, max_retries, seed)
        _settings.check_policy(policy)
        _settings.check_identity(team, user)
        _settings.check_deadline(deadline_s)
        _settings.check_flag(drop_params, "drop_params")
        if not (baseline is None or isinstance(baseline, str)):
            raise ConfigurationError(f"baseline must be a model name, not {baseline!r:.60}")
        if durability not in ("normal", "full"):
            raise ConfigurationError(f"durability={durability!r} must be 'normal' or 'full'")
        openai = {
            "api_key": api_key,
            "base_url": base_url,
            "organization": organization,
            "project": project,
            "default_headers": default_headers,
            "default_query": default_query,
        }
        names = dict(_settings.mapping(aliases, "aliases"))
        _settings.check_aliases(names)
        self._pool = HttpPool(http_client)
        self._engine = Engine(
            providers=registry.configured(providers, openai, environ=os.environ),
            adds_ollama=providers is None,
            store=_settings.check_store(store),
            durability=durability,
            arms=None if models is None else _settings.model_list(models, "models"),
            aliases={
                name: _settings.model_list(arms, f"aliases[{name!r}]")
                for name, arms in names.items()
            },
            baseline=baseline,
            unpriced=unpriced if isinstance(unpriced, Model) else None,
            seed=seed,
        )
        self._settings = Settings(
            objective=_settings.check_objective(objective),
            policy=policy,
            fallbacks=_settings.names(fallbacks, "fallbacks"),
            team=team,
            user=user,
            tags=_settings.check_tags(tags),
            timeout=timeout_of(timeout),
            deadline_s=deadline_s,
            max_retries=max_retries,
            max_output_tokens=max_output_tokens,
            unpriced=_settings.check_unpriced(unpriced),
            drop_params=drop_params,
        )

    @classmethod
    def from_config(cls, path: str | os.PathLike[str] | None = None, **overrides: Any) -> Self:
        """Make a router from a TOML file; arguments given here win over it.

        Args:
            path: Default: what ``TRUNKLINE_CONFIG`` names.
            **overrides: As in the constructor.

        Raises:
            ConfigurationError: No file is named, or something in it is wrong.
        """
        named = path if path is not None else os.environ.get("TRUNKLINE_CONFIG")
        if not named:
            raise ConfigurationError("from_config needs a path, or TRUNKLINE_CONFIG set to one")
        from trunkline._configured import arguments

        return cls(**{**arguments(named), **overrides})

    def with_options(
        self,
        *,
        team: str | None = None,
        user: str | None = None,
        tags: Mapping[str, str] | None = None,
        objective: Objective | None = None,
        models: Sequence[str] | None = None,
        fallbacks: Sequence[str] | None = None,
        policy: str | Policy | None = None,
        timeout: Any = ...,
        deadline_s: float | None = None,
        max_retries: int | None = None,
    ) -> Self:
        """Return a view with other settings; it shares everything else and costs nothing."""
        settings = _settings.with_route(
            self._settings,
            RouteOptions(
                team=team,
                user=user,
                tags=tags,
                objective=objective,
                models=models,
                fallbacks=fallbacks,
                policy=policy,
                deadline_s=deadline_s,
            ),
        )
        if timeout is not ...:
            settings = replace(settings, timeout=timeout_of(timeout))
        if max_retries is not None:
            _settings.check_numbers(1, max_retries, None)
            settings = replace(settings, max_retries=max_retries)
        return self._view(settings)

    copy = with_options

    def is_closed(self) -> bool:
        """Whether ``close`` was called and nothing was asked of the store since.

        A closed router is no dead one, unlike the SDK's client: the next call opens it again. All
        views of a router are open or closed together.
        """
        return self._engine.is_closed

    def _view(self, settings: Settings) -> Self:
        view = copy.copy(self)
        view._settings = settings  # noqa: SLF001  # a copy of ourselves
        for resource in ("chat", "embeddings", "models", "budgets", "usage"):
            view.__dict__.pop(resource, None)  # made anew at first use, bound to the view
        return view

    def _scoped(self) -> Settings:
        """Return the settings with the blocks that the caller stands in."""
        settings = self._settings
        caps = caps_in_scope(self._engine, settings.blocks)
        return settings if caps == settings.blocks else replace(settings, blocks=caps)

    def budget(self, usd: Usd) -> BlockBudget[Self]:
        """Cap what the calls inside ``with router.budget(usd="0.50") as b:`` may cost.

        Blocks nest; ``b.router`` is a view bound to the block, for threads and tasks.
        """
        block: BlockBudget[Self] = BlockBudget(self._engine, usd)
        bound = caps_in_scope(self._engine, self._settings.blocks)
        block.router = self._view(replace(self._settings, blocks=(*bound, block.cap)))
        return block

    def on(self, event: str, fn: Callable[[Any], object]) -> Callable[[], None]:
        """Call ``fn`` after each ``event``; returns what ends the subscription.

        Args:
            event: ``"decision"``, ``"fallback"`` and ``"budget"`` (a routing id), ``"response"``
                (the answer), ``"refusal"`` and ``"error"`` (the error).
            fn: A plain function; what it raises is logged.
        """
        return self._engine.on(event, fn)

    @property
    def rewards(self) -> Rewards:
        """Signals computed from every answer."""
        from trunkline._resources import Rewards

        return Rewards(self._engine)

    if not TYPE_CHECKING:  # a type checker would take every name for one that is there

        def __getattr__(self, name: str) -> NoReturn:
            """Say of a name that is not there where it is, if it is the SDK's."""
            hint = ""
            if name in _OF_THE_SDK:
                hint = (
                    ": a Router has chat, embeddings and models; for the rest of an OpenAI "
                    "client's surface use trunkline.openai.OpenAI(router=router)"
                )
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{hint}")

    def __repr__(self) -> str:
        names = ", ".join(self._engine.providers) or "none"
        who = "".join(
            f" {name}={value}"
            for name, value in (("team", self._settings.team), ("user", self._settings.user))
            if value
        )
        return f"<{type(self).__name__} providers: {names}; store: {self._engine.store}{who}>"


class Router(_Base):
    __doc__ = f"""An in-process LLM router with the OpenAI SDK's face.

    Thread-safe; one per process is enough. Opens no file and no socket before its first call.

    {(_Base.__doc__ or "").partition("Args:")[1]}{(_Base.__doc__ or "").partition("Args:")[2]}"""

    @cached_property
    def _io(self) -> BlockingIO:
        return BlockingIO(self._pool)

    @cached_property
    def chat(self) -> Chat:
        """``router.chat.completions.create(...)``."""
        from trunkline._asking import Chat

        return Chat(self._io, self._engine, self._scoped)

    @cached_property
    def embeddings(self) -> Embeddings:
        """``router.embeddings.create(...)``."""
        from trunkline._asking import Embeddings

        return Embeddings(self._io, self._engine, self._scoped)

    @cached_property
    def models(self) -> Models:
        """Which models there are, what they cost and can."""
        from trunkline._resources import Models

        return Models(self._io, self._engine, self._scoped)

    @cached_property
    def budgets(self) -> Budgets:
        """Caps that hold before a call is sent."""
        from trunkline._resources import Budgets

        return Budgets(self._io, self._engine)

    @cached_property
    def usage(self) -> Usage:
        """What was used and what it cost."""
        from trunkline._resources import Usage

        return Usage(self._io, self._engine)

    def plan(
        self, *, messages: Iterable[Any], model: str = AUTO, **params: Unpack[ChatParams]
    ) -> Decision:
        """Make the whole decision for a request, without a call, a hold or a row in the log."""
        from trunkline import _pipeline

        given = {**params, "messages": messages, "model": model}
        return run_to_completion(_pipeline.plan(self._engine, self._io, self._scoped(), given))

    def explain(self, routing_id: Any) -> Decision:
        """Return the decision of a past call, from the log.

        Args:
            routing_id: ``response.routing.id``, or anything that ``feedback`` takes.

        Raises:
            FeedbackError: There is no routing id in it.
            NotFoundError: No call of this id was let through.
        """
        from trunkline import _management, _signals

        call_id = _signals.routing_id_of(routing_id)
        return run_to_completion(_management.explain(self._io, self._engine, call_id))

    def feedback(
        self, response: Any, *, score: float, source: str = "human", weight: float = 1.0
    ) -> None:
        """Tell how good an answer was, now or days later; routing learns from it.

        Args:
            response: Our response, a genuine ``openai`` one, a stream, or a routing id.
            score: From 0 (useless) to 1.
            source: Who says so; the same source again replaces its score.
            weight: What it counts beside others.

        Raises:
            FeedbackError: The score or the call is not one; nothing was learned.
        """
        from trunkline import _signals

        run_to_completion(
            _signals.give(self._io, self._engine, response, score, source=source, weight=weight)
        )

    def close(self) -> None:
        """Close connections and store; a later call opens them again."""
        self._pool.close()
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class AsyncRouter(_Base):
    __doc__ = f"""``Router`` for asyncio and trio; one survives several event loops.

    Everything that touches store or network is awaited.

    {(_Base.__doc__ or "").partition("Args:")[1]}{(_Base.__doc__ or "").partition("Args:")[2]}"""

    @cached_property
    def _io(self) -> AsyncIO:
        from trunkline._io.async_ import AsyncIO

        return AsyncIO(self._pool)

    @cached_property
    def chat(self) -> AsyncChat:
        """``router.chat.completions.create(...)``."""
        from trunkline._asking import AsyncChat

        return AsyncChat(self._io, self._engine, self._scoped)

    @cached_property
    def embeddings(self) -> AsyncEmbeddings:
        """``router.embeddings.create(...)``."""
        from trunkline._asking import AsyncEmbeddings

        return AsyncEmbeddings(self._io, self._engine, self._scoped)

    @cached_property
    def models(self) -> AsyncModels:
        """Which models there are, what they cost and can."""
        from trunkline._resources import AsyncModels

        return AsyncModels(self._io, self._engine, self._scoped)

    @cached_property
    def budgets(self) -> AsyncBudgets:
        """Caps that hold before a call is sent."""
        from trunkline._resources import AsyncBudgets

        return AsyncBudgets(self._io, self._engine)

    @cached_property
    def usage(self) -> AsyncUsage:
        """What was used and what it cost."""
        from trunkline._resources import AsyncUsage

        return AsyncUsage(self._io, self._engine)

    async def plan(
        self, *, messages: Iterable[Any], model: str = AUTO, **params: Unpack[ChatParams]
    ) -> Decision:
        """Make the whole decision for a request, without a call, a hold or a row in the log."""
        from trunkline import _pipeline

        given = {**params, "messages": messages, "model": model}
        return await _pipeline.plan(self._engine, self._io, self._scoped(), given)

    async def explain(self, routing_id: Any) -> Decision:
        """Return the decision of a past call, from the log."""
        from trunkline import _management, _signals

        call_id = _signals.routing_id_of(routing_id)
        return await _management.explain(self._io, self._engine, call_id)

    async def feedback(
        self, response: Any, *, score: float, source: str = "human", weight: float = 1.0
    ) -> None:
        """Tell how good an answer was, now or days later; routing learns from it."""
        from trunkline import _signals

        await _signals.give(self._io, self._engine, response, score, source=source, weight=weight)

    async def close(self) -> None:
        """Close connections and store; a later call opens them again."""
        await self._io.close()
        self._engine.close()

    aclose = close

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


class Parts(NamedTuple):
    """What a Router is made of, for the other faces of the library.

    Attributes:
        scoped: Returns the settings of a call made now.
    """

    engine: Engine
    pool: HttpPool
    scoped: Callable[[], Settings]


def parts_of(router: _Base) -> Parts:
    """Return what a router of either kind answers with."""
    engine, pool = router._engine, router._pool  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # of this module
    return Parts(engine, pool, router._scoped)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
