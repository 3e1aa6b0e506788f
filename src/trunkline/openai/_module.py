"""``openai.chat.completions.create`` without a client: the module's own, made of its settings."""

from __future__ import annotations

import sys
from functools import cached_property, lru_cache
from typing import Any

import openai

from ._clients import OpenAI

_HOME = __name__.rpartition(".")[0]
_SETTINGS = (
    *("api_key", "organization", "project", "webhook_secret", "base_url", "timeout"),
    *("max_retries", "default_headers", "default_query", "http_client"),
)


def setting_or_resource(name: str) -> Any:
    """Return a setting that nobody has set, a resource of the module's client, or the SDK's own.

    Raises:
        AttributeError: There is no such name.
    """
    if name in _SETTINGS:
        return getattr(openai, name)
    if isinstance(getattr(openai.OpenAI, name, None), cached_property):
        return getattr(_client_of(_settings()), name)
    if name.startswith("_"):
        raise AttributeError(f"module 'trunkline.openai' has no attribute {name!r}")
    return getattr(openai, name)


def _settings() -> tuple[Any, ...]:
    module = sys.modules[_HOME]
    return tuple(_hashable(getattr(module, name)) for name in _SETTINGS)


def _hashable(value: Any) -> Any:
    return tuple(value.items()) if hasattr(value, "items") else value


@lru_cache(maxsize=1)
def _client_of(settings: tuple[Any, ...]) -> OpenAI:
    given = dict(zip(_SETTINGS, settings, strict=True))
    for name in ("default_headers", "default_query"):
        given[name] = None if given[name] is None else dict(given[name])
    return OpenAI(**given)
