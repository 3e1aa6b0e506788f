"""What all views of one Router share: providers, catalogue, store, learner, hooks.

Holds things together and answers look-ups; decides nothing about a request.
"""

from __future__ import annotations

import logging
import os
import random
import secrets
import threading
import time
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from trunkline import _signals, _store
from trunkline._io.limits import timeout_of
from trunkline._learning import SNAPSHOT, Learner
from trunkline.catalog.models import Deployment, Model
from trunkline.catalog.resolve import ProviderInfo, Resolution, place, resolve
from trunkline.catalog.table import Catalog
from trunkline.errors import ConfigurationError
from trunkline.providers.registry import make
from trunkline.storage import ids, learned, owner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from trunkline._io.protocol import IO
    from trunkline.catalog.models import Prices
    from trunkline.providers.base import Provider
    from trunkline.storage.database import Database
    from trunkline.types.chat import ChatCompletion
    from trunkline.types.routing import Routing

_LOG = logging.getLogger("trunkline")
HOOKS = ("decision", "response", "fallback", "refusal", "budget", "error")
AUTO = "auto"


class Engine:
    """The shared heart of a Router and its views.

    Args:
        providers: Whom to ask, by name.
        adds_ollama: Whether a model named ``ollama/…`` brings its provider with it.
        database: The one store.
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
        database: Database,
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
        self.database = database
        self.added: list[Deployment] = []
        self.rewards: dict[str, tuple[Callable[[ChatCompletion], Any], float]] = {}
        self._hooks: dict[str, list[Callable[[Any], object]]] = {name: [] for name in HOOKS}
        self._lock = threading.Lock()
        self.block_spent: dict[str, int] = {}
        self._jitter = random.Random(seed)  # noqa: S311  # waits, no secret
        self.learner = Learner(database, seed, self.log_failure)
        self.timeout_of = timeout_of
        self._arms = None if arms is None else tuple(self._named(a) for a in arms)
        self.aliases = {name: tuple(self._named(a) for a in arms) for name, arms in aliases.items()}
        self._baseline = baseline
        self._baseline_id: str | None = None
        self._unpriced = unpriced
        self._found: dict[Any, tuple[tuple[Deployment, ...], bool, str]] = {}
        _ENGINES.add(self)

    @property
    def catalog(self) -> Catalog:
        """The bundled catalogue."""
        return Catalog.bundled()

    @property
    def baseline(self) -> str | None:
        """Id of the baseline deployment; ``None`` where there are no arms."""
        if self._baseline_id is None:
            arms = self.arms() if self._baseline is None else self.find(self._baseline, None)[0]
            self._baseline_id = arms[0].id if arms else None
        return self._baseline_id

    def arms(self) -> tuple[Deployment, ...]:
        """Return the deployments behind ``auto``."""
        if self._arms is not None:
            return tuple(self.resolve(name).deployment for name in self._arms)
        found: list[Deployment] = []
        for name, provider in self.providers.items():
            section = provider_section(provider)
            own = provider.models or (self.catalog.models(section) if section else ())
            chosen = [m for m in own if m.auto] or (list(own) if provider.models else [])
            found += [Deployment(name, m) for m in (chosen[:2] if section else chosen)]
        return tuple(found)

    def find(
        self, name: str, models: tuple[str, ...] | None
    ) -> tuple[tuple[Deployment, ...], bool, str]:
        """Find whom a name means: deployments, whether it is one explicit model, and why.

        Raises:
            ConfigurationError: No provider at all, or a name that means nothing.
        """
        self._meet_ollama(name)
        if not self.providers:
            raise ConfigurationError(
                "no provider is configured: set OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY, "
                "CO_API_KEY, HF_TOKEN or OLLAMA_HOST, or pass providers=[...]; "
                "trunkline.providers.EchoProvider() answers without any key"
            )
        key = (name, models)
        if (known := self._found.get(key)) is None:
            deployments, is_explicit, reason = self._find(name, models)
            known = tuple(self._assumed(d) for d in deployments), is_explicit, reason
            self._found[key] = known
        return known

    def _meet_ollama(self, name: str) -> None:
        # A local server needs no key, so naming one of its models is all the configuration.
        if self._adds_ollama and name.startswith("ollama/") and "ollama" not in self.providers:
            self.providers["ollama"] = make("ollama")

    def _assumed(self, deployment: Deployment) -> Deployment:
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
        listed = models if models is not None else self.aliases.get(name)
        if listed is None:
            arms = self.arms()
        else:
            arms = tuple(self.resolve(item).deployment for item in listed)
        if not arms:
            raise ConfigurationError(
                f'model={name!r} has no arms: pass models=["...", "..."] to the Router'
            )
        return arms, False, name

    def known_models(self, name: str) -> list[Deployment]:
        """Return what is known of one provider's models: its own and the catalogue's."""
        provider = self.providers[name]
        section = provider_section(provider)
        models = {m.id: m for m in (self.catalog.models(section) if section else ())}
        models.update((m.id, m) for m in provider.models)
        return [Deployment(name, m) for m in models.values()]

    def resolve(self, name: str) -> Resolution:
        """Resolve one model name."""
        return resolve(name, providers=self._infos(), added=self.added, catalog=self.catalog)

    def _infos(self) -> dict[str, ProviderInfo]:
        return {
            name: ProviderInfo(section=provider_section(p), models=p.models)
            for name, p in self.providers.items()
        }

    def add_model(self, model: Model) -> Deployment:
        """Make a model known, or replace what is known of it."""
        name = self._named(model)
        self._found.clear()
        return self.resolve(name).deployment

    def _named(self, item: str | Model) -> str:
        self._meet_ollama(item if isinstance(item, str) else item.id)
        if isinstance(item, str):
            return item
        deployment = place(item, providers=self._infos(), catalog=self.catalog)
        self.added = [d for d in self.added if d.id != deployment.id] + [deployment]
        return deployment.id

    def prices_of(self, deployment: Deployment, served: str | None) -> Prices | None:
        """Return the prices of the model that served, where the catalogue knows that one apart."""
        prices = deployment.model.prices
        if served is None or served == deployment.model.id or prices is None:
            return prices
        section = provider_section(self.providers[deployment.provider])
        if section is None or prices.version == "user":
            return prices
        found = self.catalog.get(section, served)
        return found.prices if found is not None and found.prices is not None else prices

    def new_id(self, now: float) -> str:
        """Make a call id (UUIDv7)."""
        return ids.uuid7(int(now * 1000), os.urandom(10))

    def new_provider_id(self, prefix: str) -> str:
        """Make an id where a provider gives none."""
        return prefix + secrets.token_hex(12)

    def owner(self) -> str:
        """Name this process in its holds."""
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
        with self._lock:
            self._hooks[event] = [*self._hooks[event], fn]

        def unsubscribe() -> None:
            with self._lock:
                self._hooks[event] = [known for known in self._hooks[event] if known is not fn]

        return unsubscribe

    def emit(self, event: str, subject: Any) -> None:
        """Tell the subscribers; what they raise is logged."""
        for fn in self._hooks[event]:
            try:
                fn(subject)
            except Exception as error:  # noqa: BLE001  # a subscriber never fails a call
                self.log_failure(f"a subscriber to {event!r}", error)

    async def answered(
        self, io: IO, routing: Routing, answer: Callable[[], ChatCompletion | None]
    ) -> None:
        """Do what follows an answer, outside its transaction: rewards, hooks, a snapshot."""
        if self.rewards and (completion := answer()) is not None:
            await self._reward(io, routing.id, completion)
        if self._hooks["response"]:
            self.emit("response", answer())
        if (blob := self.learner.snapshot_due()) is not None:
            state = self.learner.state
            cursor = state.cursor if state else 0
            try:
                await _store.write(
                    io,
                    self.database,
                    lambda c: learned.save_snapshot(c, SNAPSHOT, cursor, 1, blob),
                )
            except Exception as error:  # noqa: BLE001  # a snapshot only saves time
                self.log_failure("saving a snapshot", error)

    async def _reward(self, io: IO, routing_id: str, completion: ChatCompletion) -> None:
        """Turn an answer into signals by the registered functions; none of them fails the call."""
        for source, (fn, weight) in list(self.rewards.items()):
            try:
                score = fn(completion)
                if score is not None:
                    score = float(score) if isinstance(score, bool) else score
                    await _signals.give(
                        io, self, routing_id, score, source=source, weight=weight, explicit=False
                    )
            except Exception as error:  # noqa: BLE001  # a reward never fails an answered call
                self.log_failure(f"the reward {source!r}", error)

    def log_failure(self, what: str, error: Exception) -> None:
        """Log what was degraded; the call goes on."""
        _LOG.warning("%s failed and was degraded: %s: %s", what, type(error).__name__, error)

    def book(self, blocks: Sequence[tuple[str, int]], cost_nanousd: int) -> None:
        """Add a cost to the process totals of the blocks in scope."""
        if blocks and cost_nanousd:
            with self._lock:
                for block, _ in blocks:
                    self.block_spent[block] = self.block_spent.get(block, 0) + cost_nanousd

    def close(self) -> None:
        """Close the store."""
        self.database.close()


def provider_section(provider: Provider) -> str | None:
    """Return the section of the catalogue that describes a provider's models."""
    return getattr(provider, "section", None)


_ENGINES: weakref.WeakSet[Engine] = weakref.WeakSet()


def _after_fork() -> None:
    for engine in list(_ENGINES):
        engine.learner.after_fork()


os.register_at_fork(after_in_child=_after_fork)
