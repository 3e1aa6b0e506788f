"""``openai.chat.completions.create`` without a client: the module's own, made of its settings."""

from __future__ import annotations

import sys
from functools import cached_property
from typing import Any

import openai

from ._clients import OpenAI

_HOME = __name__.rpartition(".")[0]
_SETTINGS = (
    *("api_key", "organization", "project", "webhook_secret", "base_url", "timeout"),
    *("max_retries", "default_headers", "default_query", "http_client"),
)
_ABOUT_ITSELF = ("__title__", "__version__")


class _AtHand:
    """The module's client and what it was made of; its repr shows neither."""

    settings: dict[str, Any] | None = None
    client: OpenAI | None = None


_at_hand = _AtHand()


def setting_or_resource(name: str) -> Any:
    """Return a setting that nobody has set, a resource of the module's client, or the SDK's own.

    Raises:
        AttributeError: There is no such name.
    """
    if name in _SETTINGS:
        return getattr(openai, name)
    if isinstance(getattr(openai.OpenAI, name, None), cached_property):
        return getattr(_client_of(_settings()), name)
    if name.startswith("_") and name not in _ABOUT_ITSELF:
        raise AttributeError(f"module {_HOME!r} has no attribute {name!r}")
    return getattr(openai, name)


def _settings() -> dict[str, Any]:
    module = sys.modules[_HOME]
    return {name: getattr(module, name) for name in _SETTINGS}


def _client_of(settings: dict[str, Any]) -> OpenAI:
    """Return the client of these settings, the one at hand where they are the same as before."""
    if _at_hand.client is None or _at_hand.settings != settings:
        _at_hand.settings, _at_hand.client = settings, OpenAI(**settings)
    return _at_hand.client
