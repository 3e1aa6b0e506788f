"""What all views of one Router share: providers, catalogue, store, learner, hooks.

Holds things together and answers look-ups; decides nothing about a request.
"""

from __future__ import annotations

import copy
import os
import random
import secrets
import threading
import time
import weakref
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from trunkline._io.limits import timeout_of
from trunkline._log import LOG
from trunkline._settings import AUTO, default_store
from trunkline.catalog.models import Deployment, Model
from trunkline.catalog.pricing import is_stale
from trunkline.catalog.resolve import ProviderInfo, Resolution, place, resolve
from trunkline.catalog.table import Catalog
from trunkline.errors import ConfigurationError, NotFoundError
from trunkline.providers.base import HasTransport
from trunkline.providers.registry import VARIABLES, make
from trunkline.storage import ids

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from trunkline._learning import Learner
    from trunkline.catalog.models import Prices
    from trunkline.providers.base import Provider
    from trunkline.storage.database import Database
    from trunkline.types.chat import ChatCompletion

HOOKS = ("decision", "response", "fallback", "refusal", "budget", "error")


class _Additions:
    """Models that the user has told of, shared by all engines of a router.

    Attributes:
        models: The newest word on each.
        count: How many words there were, so that what was found before can be told from news.
    """

    def __init__(self) -> None:
        self.models: tuple[Deployment, ...] = ()
        self.count = 0

    def add(self, deployment: Deployment) -> None:
        self.models = (*(d for d in self.models if d.id != deployment.id), deployment)
        self.count += 1


class Engine:
    """The shared heart of a Router and its views.

    Args:
        providers: Whom to ask, by name.
        adds_ollama: Whether a model named ``ollama/…`` brings its provider with it.
        store: Path of the one store, ``None`` for the default place.
        durability: ``"normal"`` or ``"full"``.
        arms: Names behind ``auto``; ``None`` for the catalogue's choice.
        aliases: More names like ``auto``.
        baseline: Name of the baseline; ``None`` for the first arm.
        unpriced: Whose prices stand in for unknown ones.
        seed: Of the draws.
    """

    def __init__(
        self,
        *,
        providers: Sequence[Provider],
        adds_ollama: bool,
        store: str | None,
        durability: str,
        arms: Sequence[str | Model] | None,
        aliases: Mapping[str, Sequence[str | Model]],
        baseline: str | None,
        unpriced: Model | None,
        seed: int | None,
    ) -> None:
        self.providers: dict[str, Provider] = {}
        for provider in providers:
            if provider.name in self.providers:
                raise ConfigurationError(
                    f"two providers are named {provider.name!r}; give one another name="
                )
            self.providers[provider.name] = provider
        self._adds_ollama = adds_ollama
        self._store = store
        self._durability = durability
        self._seed = seed
        self._database: Database | None = None
        self._closed_after: int | None = None
        self._learner: Learner | None = None
        self._additions = _Additions()
        self.rewards: dict[str, tuple[Callable[[ChatCompletion], Any], float]] = {}
        self._hooks: dict[str, list[Callable[[Any], object]]] = {name: [] for name in HOOKS}
        self._lock = threading.Lock()
        self._block_costs: dict[str, list[int]] = {}
        self._jitter = random.Random(seed)  # noqa: S311  # waits, no secret
        self.timeout_of = timeout_of
        self._day = int(time.time() // 86400)  # placing a Model below asks for it
        self._arms = None if arms is None else tuple(self._named(a) for a in arms)
        self.aliases = {name: tuple(self._named(a) for a in arms) for name, arms in aliases.items()}
        self._baseline = baseline
        self._baseline_id: str | None = None
        self._unpriced = unpriced
        self._found: dict[Any, tuple[tuple[Deployment, ...], bool, str]] = {}
        self._found_at = 0  # how many additions it knows of
        _ENGINES.add(self)

    @property
    def added(self) -> Sequence[Deployment]:
        """Models that the user has told of, the newest word on each."""
        return self._additions.models

    @property
    def store(self) -> str:
        """Path of the store, which may not exist yet."""
        if self._store is None:
            self._store = default_store()
        return self._store

    @property
    def database(self) -> Database:
        """The store, opened at its first use."""
        return self._database or self._make_database()

    @property
    def learner(self) -> Learner:
        """The process's copy of what was learned."""
        return self._learner or self._make_learner()

    def _make_database(self) -> Database:
        from trunkline.storage.database import Database

        with self._lock:  # two threads at the first call must not make two
            if self._database is None:
                self._database = Database(self.store, durability=self._durability)
            return self._database

    def _make_learner(self) -> Learner:
        from trunkline._learning import Learner

        database = self.database
        with self._lock:
            if self._learner is None:
                self._learner = Learner(database, self._seed, self.log_failure, self._auto_arms)
            return self._learner

    @property
    def catalog(self) -> Catalog:
        """The bundled catalogue."""
        found = Catalog.bundled()
        _warn_if_stale(found.date, self._day)
        return found

    @property
    def baseline(self) -> str | None:
        """Id of the baseline deployment; ``None`` where there are no arms."""
        if self._baseline_id is None:
            if self._baseline is not None:
                arms = self.find(self._baseline, None)[0]
            else:
                arms = self._auto_arms()  # of an alias: it does not need those of ``auto``
            self._baseline_id = arms[0].id if arms else None
        return self._baseline_id

    def arms(self) -> tuple[Deployment, ...]:
        """Return the deployments behind ``auto``."""
        if self._arms is not None:
            return self._resolved(self._arms)
        found: list[Deployment] = []
        for name, provider in self.providers.items():
            section = provider_section(provider)
            own = provider.models or (
                self.catalog.models(section, on=self._today()) if section else ()
            )
            chosen = [m for m in own if m.auto] or (list(own) if provider.models else [])
            found += [Deployment(name, m) for m in (chosen[:2] if section else chosen)]
        return tuple(found)

    def _auto_arms(self) -> tuple[Deployment, ...]:
        """Return the arms behind ``auto`` with the prices they are held at; none if unknown."""
        try:
            return tuple(self.assumed(deployment) for deployment in self.arms())
        except (ConfigurationError, NotFoundError):  # a call to ``auto`` says so
            return ()

    def find(
        self, name: str, models: tuple[str, ...] | None
    ) -> tuple[tuple[Deployment, ...], bool, str]:
        """Find whom a name means: deployments, whether it is one explicit model, and why.

        Raises:
            ConfigurationError: No provider at all, or a name that means nothing.
        """
        self._meet_ollama(name)
        day = int(self.clock() // 86400)
        # Prices that were announced come into force, and models that were added count at once.
        if day != self._day or self._found_at != self._additions.count:
            self._day, self._found_at = day, self._additions.count
            self._found.clear()
        self.require_provider()
        key = (name, models)
        if (known := self._found.get(key)) is None:
            deployments, is_explicit, reason = self._find(name, models)
            known = tuple(self.assumed(d) for d in deployments), is_explicit, reason
            self._found[key] = known
        return known

    def require_provider(self) -> None:
        """Refuse what needs a provider where there is none.

        Raises:
            ConfigurationError: It names the variables that would bring one.
        """
        if not self.providers:
            raise ConfigurationError(
                f"no provider is configured: set {VARIABLES}, or pass providers=[...]; "
                "trunkline.providers.EchoProvider() answers without any key"
            )

    def asking(self, provider: Provider, *, alone: bool = False) -> Engine:
        """Return an engine that asks ``provider`` in the place of its namesake and shares the rest.

        ``alone`` leaves the other providers out.
        Budgets, log and what was learned are the same: one store, one learner, one set of hooks.
        """
        _ = self.database, self.learner  # made now, so that both have them
        other = copy.copy(self)
        other.providers = {**({} if alone else self.providers), provider.name: provider}
        other._found, other._found_at = {}, -1  # noqa: SLF001  # a copy of ourselves
        _ENGINES.add(other)
        return other

    def _meet_ollama(self, name: str) -> None:
        # A local server needs no key, so naming one of its models is all the configuration.
        if self._adds_ollama and name.startswith("ollama/") and "ollama" not in self.providers:
            self.providers["ollama"] = make("ollama")

    def assumed(self, deployment: Deployment) -> Deployment:
        """Lend a deployment without prices those that the user told us to assume."""
        if deployment.model.prices is not None or self._unpriced is None:
            return deployment
        model = replace(deployment.model, prices=self._unpriced.prices)
        return Deployment(deployment.provider, model)

    def _find(
        self, name: str, models: tuple[str, ...] | None
    ) -> tuple[tuple[Deployment, ...], bool, str]:
        if name != AUTO and name not in self.aliases:
            found = self.resolve(name)
            return (found.deployment,), True, found.reason
        listed = models if name == AUTO else self.aliases[name]
        arms = self.arms() if listed is None else self._resolved(listed)
        if not arms:
            raise ConfigurationError(
                f'model={name!r} has no arms: pass models=["...", "..."] to the Router'
            )
        return arms, False, name

    def _resolved(self, names: Sequence[str]) -> tuple[Deployment, ...]:
        """Resolve a list of arms; two names of one deployment are one arm."""
        return tuple(dict.fromkeys(self.resolve(name).deployment for name in names))

    def known_models(self, name: str) -> list[Deployment]:
        """Return what is known of one provider's models: its own and the catalogue's."""
        provider = self.providers[name]
        section = provider_section(provider)
        models = {
            m.id: m for m in (self.catalog.models(section, on=self._today()) if section else ())
        }
        models.update((m.id, m) for m in provider.models)
        return [Deployment(name, m) for m in models.values()]

    def resolve(self, name: str) -> Resolution:
        """Resolve one model name."""
        self._meet_ollama(name)
        return resolve(
            name,
            providers=self._infos(),
            added=self.added,
            catalog=self.catalog,
            on=self._today(),
        )

    def _today(self) -> str:
        return time.strftime("%Y-%m-%d", time.gmtime(self.clock()))

    def _infos(self) -> dict[str, ProviderInfo]:
        return {
            name: ProviderInfo(
                section=provider_section(p),
                models=p.models,
                is_closed=getattr(p, "is_closed", False),
            )
            for name, p in self.providers.items()
        }

    def add_model(self, model: Model) -> Deployment:
        """Make a model known, or replace what is known of it."""
        name = self._named(model)
        return self.resolve(name).deployment

    def _named(self, item: str | Model) -> str:
        self._meet_ollama(item if isinstance(item, str) else item.id)
        if isinstance(item, str):
            return item
        if not self.providers:
            return item.id  # the first call says what is missing
        deployment = place(item, providers=self._infos(), catalog=self.catalog, on=self._today())
        self._additions.add(deployment)
        return deployment.id

    def may_reason(self, deployment: Deployment) -> bool:
        """Whether a model may bill output that nobody sees; unknown counts as yes.

        What answers in this process shows all it makes, unless it declares otherwise.
        """
        supports = deployment.model.supports
        if isinstance(self.providers[deployment.provider], HasTransport):
            return supports is not None and "reasoning" in supports
        return supports is None or "reasoning" in supports

    def prices_of(self, deployment: Deployment, served: str | None) -> Prices | None:
        """Return the prices of the model that served, where the catalogue knows that one apart."""
        prices = deployment.model.prices
        if served is None or served == deployment.model.id or prices is None:
            return prices
        section = provider_section(self.providers[deployment.provider])
        if section is None or prices.version == "user":
            return prices
        found = self.catalog.get(section, served, on=self._today())
        return found.prices if found is not None and found.prices is not None else prices

    def new_id(self, now: float) -> str:
        """Make a call id (UUIDv7)."""
        return ids.uuid7(int(now * 1000), os.urandom(10))

    def new_provider_id(self, prefix: str) -> str:
        """Make an id where a provider gives none."""
        return prefix + secrets.token_hex(12)

    def owner(self) -> str:
        """Name this process in its holds."""
        from trunkline.storage import owner

        return owner.owner()

    def clock(self) -> float:
        """UTC epoch seconds."""
        return time.time()

    def jitter(self) -> float:
        """Draw uniformly from [0, 1)."""
        return self._jitter.random()

    def on(self, event: str, fn: Callable[[Any], object]) -> Callable[[], None]:
        """Subscribe to an event; returns what ends the subscription."""
        if event not in self._hooks:
            raise ConfigurationError(f"event={event!r} is unknown; use one of {', '.join(HOOKS)}")
        if not callable(fn):
            raise ConfigurationError(f"on({event!r}, fn) needs a function, not {fn!r:.60}")
        with self._lock:
            self._hooks[event] = [*self._hooks[event], fn]

        def unsubscribe() -> None:
            with self._lock:
                self._hooks[event] = [known for known in self._hooks[event] if known is not fn]

        return unsubscribe

    def has_subscribers(self, event: str) -> bool:
        """Whether anybody listens, so that work for nobody can be spared."""
        return bool(self._hooks[event])

    def emit(self, event: str, subject: Any) -> None:
        """Tell the subscribers; what they raise is logged."""
        for fn in self._hooks[event]:
            try:
                fn(subject)
            except Exception as error:  # noqa: BLE001  # a subscriber never fails a call
                self.log_failure(f"a subscriber to {event!r}", error)

    def log_failure(self, what: str, error: Exception) -> None:
        """Log what was degraded; the call goes on."""
        LOG.warning("%s failed and was degraded: %s: %s", what, type(error).__name__, error)

    def book(self, blocks: Sequence[tuple[str, int]], cost_nanousd: int) -> None:
        """Add a cost to the process totals of the blocks in scope.

        Appends only: a finaliser may come here in the middle of itself, where a lock would block
        for ever and a sum would be lost.
        """
        if cost_nanousd:
            for block, _ in blocks:
                self._block_costs.setdefault(block, []).append(cost_nanousd)

    def forget(self, block: str) -> None:
        """Drop the total of a block that nobody can ask about any more."""
        self._block_costs.pop(block, None)

    def spent_in(self, block: str) -> int:
        """Return what this process has settled in a block, in nano-dollars."""
        return sum(self._block_costs.get(block, ()))

    def after_fork(self) -> None:
        """Start anew in a child: the lock may be held by a thread that is not there."""
        self._lock = threading.Lock()
        if self._learner is not None:
            self._learner.after_fork()

    @property
    def is_closed(self) -> bool:
        """Whether it was closed, and the store not opened again since."""
        return self._closed_after == self._openings

    @property
    def _openings(self) -> int:
        return 0 if self._database is None else self._database.openings

    def close(self) -> None:
        """Close the store."""
        if self._learner is not None:
            self._learner.close()
        if self._database is not None:
            self._database.close()
        self._closed_after = self._openings


def provider_section(provider: Provider) -> str | None:
    """Return the section of the catalogue that describes a provider's models."""
    return getattr(provider, "section", None)


@cache
def _warn_if_stale(dated: str, day: int) -> None:
    """Say once that prices are old; a ledger is only as right as they are."""
    if is_stale(dated, day * 86400):
        LOG.warning("the price table is of %s; upgrade trunkline for current prices", dated)


_ENGINES: weakref.WeakSet[Engine] = weakref.WeakSet()


def _after_fork() -> None:
    for engine in list(_ENGINES):
        engine.after_fork()


os.register_at_fork(after_in_child=_after_fork)
