"""From a name to the one deployment it means, with the reason in words.

Decides in this order: a model the caller added, ``provider/model``, what a provider declares, the
catalogue, a family's pattern, the only provider there is. Aliases with several models are the
router's. Nothing is looked up over the network: a name nobody knows is sent as asked, without
price, wherever exactly one provider could take it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from trunkline.errors import ConfigurationError, NotFoundError

from .models import Deployment, Model, check_model_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .table import Catalog

_FAMILIES: Final = (
    ("openai", re.compile(r"(ft:)?(gpt-|chatgpt-|o\d|text-embedding-[3a])(?!.*/)")),
    ("anthropic", re.compile(r"claude-(?!.*/)")),
    ("google", re.compile(r"(gemini-|gemma-|text-embedding-0)(?!.*[/:])")),
    ("cohere", re.compile(r"(command|embed-|c4ai-)(?!.*/)")),
    ("huggingface", re.compile(r"[^/]+/[^/]+")),
    ("ollama", re.compile(r"[^/]+:[^/]+")),
)


@dataclass(frozen=True, slots=True)
class ProviderInfo:
    """What resolving needs to know of a provider: its catalogue section, its own models.

    ``is_closed`` says that it serves its own models and no others, as one without a server does.
    """

    section: str | None
    models: Sequence[Model] = ()
    is_closed: bool = False


@dataclass(frozen=True, slots=True)
class Resolution:
    """Whom a name means, and why."""

    deployment: Deployment
    reason: str


def resolve(
    name: str,
    *,
    providers: Mapping[str, ProviderInfo],
    added: Sequence[Deployment] = (),
    catalog: Catalog,
    on: str | None = None,
) -> Resolution:
    """Find the deployment that a name means.

    Args:
        name: As in ``model=``; an alias of several models is resolved before.
        providers: The configured ones by name, in the order of preference.
        added: From ``models.add`` and ``Model`` arguments; the latest wins.
        catalog: Prices, limits, known ids.
        on: ISO day of the call, for prices announced to change.

    Raises:
        ConfigurationError: The name is no model name, no provider is configured, or the name
            belongs to one that is not.
        NotFoundError: Nothing fits; the message has near names.
    """
    check_model_name(name)
    if not providers:
        raise ConfigurationError(
            "no provider is configured: set a key such as OPENAI_API_KEY in the environment, pass "
            "providers=[...], or use trunkline.providers.EchoProvider() to try without one"
        )
    found = (
        _added(name, added)
        or _prefixed(name, providers, catalog, on)
        or _declared(name, providers)
        or _catalogued(name, providers, catalog, on)
        or _by_family(name, providers, catalog)
    )
    if found is not None:
        return found
    only, info = next(iter(providers.items()))
    if len(providers) == 1 and not info.is_closed:
        model = _unlisted(name, info, catalog)
        return Resolution(Deployment(only, model), f"{only} is the only provider")
    raise _unknown(name, providers, added, catalog)


def place(
    model: Model, *, providers: Mapping[str, ProviderInfo], catalog: Catalog, on: str | None = None
) -> Deployment:
    """Find the deployment of a ``Model`` the caller made; what it leaves open, the catalogue fills.

    Raises:
        ConfigurationError: As ``resolve``, like ``NotFoundError``.
    """
    # Who adds a model knows that it is there, so no list of models is taken for closed.
    opened = {name: replace(info, is_closed=False) for name, info in providers.items()}
    found = resolve(model.id, providers=opened, catalog=catalog, on=on).deployment
    known = found.model
    merged = Model(
        known.id,
        prices=model.prices or known.prices,
        context=model.context or known.context,
        max_output=model.max_output or known.max_output,
        supports=known.supports if model.supports is None else model.supports,
        quality=known.quality if model.quality is None else model.quality,
        auto=model.auto,
        entry=known.entry,
    )
    return Deployment(found.provider, merged)


def _added(name: str, added: Sequence[Deployment]) -> Resolution | None:
    for deployment in reversed(added):
        if name in (deployment.id, deployment.model.id):
            return Resolution(deployment, "added by the caller")
    return None


def _prefixed(
    name: str,
    providers: Mapping[str, ProviderInfo],
    catalog: Catalog,
    on: str | None,
) -> Resolution | None:
    """Read ``provider/model``; a slash after anything but a provider's name is the model's own."""
    provider, slash, rest = name.partition("/")
    if not (slash and rest and provider in providers):
        return None
    info = {provider: providers[provider]}
    known = _declared(rest, info) or _catalogued(rest, info, catalog, on)
    if known is not None:
        return Resolution(known.deployment, f"provider named, {known.reason}")
    if providers[provider].is_closed:
        return None
    model = _unlisted(check_model_name(rest), providers[provider], catalog)
    return Resolution(Deployment(provider, model), "provider named, not in the catalogue")


def _declared(name: str, providers: Mapping[str, ProviderInfo]) -> Resolution | None:
    for provider, info in providers.items():
        for model in info.models:
            if model.id == name:
                return Resolution(Deployment(provider, model), f"declared by {provider}")
    return None


def _catalogued(
    name: str, providers: Mapping[str, ProviderInfo], catalog: Catalog, on: str | None
) -> Resolution | None:
    for provider, info in providers.items():
        if info.section is None:
            continue
        model = catalog.get(info.section, name, on=on)
        if model is not None:
            reason = "catalogue" if model.id == name else f"catalogue, short for {model.id}"
            return Resolution(Deployment(provider, model), reason)
    return None


def _by_family(
    name: str, providers: Mapping[str, ProviderInfo], catalog: Catalog
) -> Resolution | None:
    for section, pattern in _FAMILIES:
        if not pattern.match(name):
            continue
        for provider, info in providers.items():
            if info.section == section:
                model = _unlisted(name, info, catalog)
                return Resolution(Deployment(provider, model), f"named like a model of {section}")
    return None


def _unlisted(name: str, info: ProviderInfo, catalog: Catalog) -> Model:
    local = None if info.section is None else catalog.local(info.section, name)
    return local or Model(name)


def _unknown(
    name: str,
    providers: Mapping[str, ProviderInfo],
    added: Sequence[Deployment],
    catalog: Catalog,
) -> ConfigurationError | NotFoundError:
    configured = {info.section for info in providers.values()}
    for section in catalog.sections:
        plain = name.removeprefix(f"{section}/")
        if section not in configured and catalog.get(section, plain) is not None:
            return ConfigurationError(
                f"model {name!r} belongs to {section}, which is not configured: set its key in the "
                "environment or add its provider"
            )
    known = {deployment.model.id for deployment in added}
    for info in providers.values():
        known.update(model.id for model in info.models)
        known.update(catalog.names(info.section or ""))
    near = get_close_matches(name, known, n=3)
    hint = f"; near names: {', '.join(near)}" if near else ""
    return NotFoundError(
        f"no configured provider ({', '.join(providers)}) is known to have model {name!r}{hint}; "
        "write provider/model to send it as it is",
        sent=False,
        should_retry=False,
        code="model_not_found",
        param="model",
        model=name,
    )
