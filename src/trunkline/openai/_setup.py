"""What of a client's arguments configures the SDK, what the Router behind it.

The SDK's keep their meaning and their variables. Those of OpenAI's endpoint (``api_key``,
``base_url``, ``organization``, ``project``, ``default_headers``, ``default_query``,
``http_client``) configure the Router's OpenAI provider. An explicit ``base_url`` is a choice of
whom to ask, so that provider is then the only one unless ``providers=`` names more; as in the SDK
it is trusted, plain http to a machine of the local network included.
"""

from __future__ import annotations

import os
from functools import partial
from inspect import signature
from typing import TYPE_CHECKING, Any

import openai

from trunkline._router import parts_of
from trunkline.errors import ConfigurationError
from trunkline.providers.endpoint import host_of, is_metadata
from trunkline.providers.openai import OpenAIProvider
from trunkline.providers.registry import configured_from_environment

from ._door import PLACEHOLDER, Door, Habits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from trunkline._io.protocol import IO
    from trunkline.providers.base import Provider

    from ._door import AnyRouter

OF_A_VIEW = frozenset(
    {"team", "user", "tags", "objective", "models", "fallbacks", "policy", "deadline_s"}
)
"""The Router's settings that a copy of a client may have otherwise."""

# A router that is handed in has providers with endpoints of their own.
_OF_THE_ENDPOINT = (
    *("base_url", "organization", "project", "default_query", "http_client", "data_residency"),
)
# They sign requests for a service of their own, which no other endpoint could take.
_NOT_TAKEN = ("provider",)
_SDKS_ARGUMENTS = frozenset(signature(openai.OpenAI.__init__).parameters) - {"self"}
_SDKS_HEADERS = frozenset(
    {"accept", "content-type", "user-agent", "openai-organization", "openai-project"}
)
_OFFICIAL = OpenAIProvider.SITE.base_url


class Setup:
    """A client's arguments, parted.

    Args:
        router: As handed in.
        options: All others.

    Attributes:
        sdks: The SDK's, without ``http_client``.
        routers: The Router's.
        http_client: The caller's own, for the provider.
        door: Of the client that this one is a copy of.

    Raises:
        openai.OpenAIError: Two of them exclude each other.
    """

    def __init__(self, router: AnyRouter | None, options: Mapping[str, Any]) -> None:
        self.router = router
        self.sdks = {n: v for n, v in options.items() if n in _SDKS_ARGUMENTS}
        self.routers = {n: v for n, v in options.items() if n not in _SDKS_ARGUMENTS}
        self.http_client = self.sdks.pop("http_client", None)
        door = getattr(getattr(self.http_client, "_transport", None), "door", None)
        self.door = door if isinstance(door, Door) else None
        if self.door is None:
            self._check()
            if self._needs_no_key():
                self.sdks["api_key"] = PLACEHOLDER

    @property
    def kept(self) -> dict[str, Any]:
        """What a copy of the client must be made with beside the SDK's arguments."""
        return self.routers if self.router is None else {**self.routers, "router": self.router}

    def open(self, client: Any, make: type[Any], io: Callable[[Any], IO]) -> Door:
        """Return the door of a client that was just constructed.

        Args:
            client: The SDK's part of it is ready.
            make: The kind of Router that fits it.
            io: Makes the effects for a router's pool.

        Raises:
            openai.OpenAIError: The Router cannot be made so.
        """
        if self.door is not None:
            return self.door
        try:
            router = self.router or make(**self._routers_arguments(client))
        except ConfigurationError as error:
            raise openai.OpenAIError(error.message) from error
        except TypeError as error:  # an argument that neither the SDK nor a Router has
            raise TypeError(f"{type(client).__name__}: {error}") from None
        provider_at = None if self.router is not None else partial(_provider, _endpoint(client))
        return Door(
            router,
            io(parts_of(router).pool),
            self._habits(client),
            provider_at,
            owns=() if self.router is not None else (router, self.http_client),
        )

    def _check(self) -> None:
        for name in _NOT_TAKEN:
            if self.sdks.get(name) is not None:
                raise openai.OpenAIError(
                    f"`{name}` signs requests for a service of its own, which cannot be answered "
                    "in process; use openai's own client for it"
                )
        if self.router is None:
            return
        for name in (*self.routers, *_OF_THE_ENDPOINT):
            value = self.http_client if name == "http_client" else self.sdks.get(name)
            if name in self.routers or value not in (None, openai.NOT_GIVEN):
                raise openai.OpenAIError(
                    f"`{name}` cannot be combined with `router`: set it where the Router is made"
                )

    def _needs_no_key(self) -> bool:
        if self.router is not None:
            return self.sdks.get("api_key") is None
        given = ("api_key", "admin_api_key", "workload_identity")
        variables = ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY")
        if any(self.sdks.get(n) for n in given) or any(os.environ.get(v) for v in variables):
            return False
        return bool(self.routers.get("providers") or configured_from_environment())

    def _routers_arguments(self, client: Any) -> dict[str, Any]:
        found = {"timeout": client.timeout, "http_client": self.http_client, **self.routers}
        endpoint = _endpoint(client)
        named = self.routers.get("providers")
        if base_url_of(client) != _OFFICIAL:
            own = _provider(endpoint, base_url_of(client), frozenset())
            return {**found, "providers": [own, *(named or ())]}
        if named is None or self.sdks.get("api_key") not in (None, PLACEHOLDER):
            return {**found, **endpoint}
        return found  # what the environment has is not asked for where providers are named

    def _habits(self, client: Any) -> Habits:
        headers = _headers_of(client)
        removable = frozenset(filter(_is_callers, headers))
        if self.router is not None:  # no provider was made with them
            own: Mapping[str, str] = self.sdks.get("default_headers") or {}
            for name in own:
                headers.pop(name.lower(), None)
            removable = frozenset[str]()
        headers |= {n.lower(): v for n, v in client.auth_headers.items()}
        query = {n: str(v) for n, v in client.default_query.items()}
        return Habits(
            base_url=base_url_of(client), headers=headers, query=query, removable=removable
        )


def _provider(endpoint: Mapping[str, Any], base_url: str, missing: frozenset[str]) -> Provider:
    """Return the OpenAI provider at an address, without what is missing of headers and query."""
    given: dict[str, Any] = {"api_key": PLACEHOLDER, **endpoint}
    for name in ("default_headers", "default_query"):
        kept = {n: v for n, v in given.get(name, {}).items() if n not in missing}
        given[name] = kept
    # Whoever writes an address in code means it; only a cloud's own credentials stay out of reach.
    trusted = base_url != _OFFICIAL and not is_metadata(host_of(base_url))
    return OpenAIProvider(base_url=base_url, trust_base_url=trusted, **given)


def base_url_of(client: Any) -> str:
    """Return a client's base URL without its trailing slash."""
    return str(client.base_url).rstrip("/")


def _endpoint(client: Any) -> dict[str, Any]:
    """Return the arguments of the OpenAI provider that a client stands for."""
    headers = {n: v for n, v in _headers_of(client).items() if _is_callers(n)}
    key = client.auth_headers.get("Authorization", "").partition(" ")[2]
    found: dict[str, Any] = {
        "organization": client.organization,
        "project": client.project,
        "default_headers": headers or None,
        "default_query": dict(client.default_query) or None,
    }
    if key != PLACEHOLDER:
        # Without one here it comes with each call: a function makes it, or an exchange of tokens.
        found["api_key"] = key or PLACEHOLDER
    return {name: value for name, value in found.items() if value is not None}


def _headers_of(client: Any) -> dict[str, str]:
    """Return what every request of a client carries; a header that is left out is no string."""
    given: Mapping[str, Any] = client.default_headers
    return {name.lower(): value for name, value in given.items() if isinstance(value, str)}


def _is_callers(name: str) -> bool:
    return name not in _SDKS_HEADERS and not name.startswith("x-stainless-")
