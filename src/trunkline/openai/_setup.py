"""What of a client's arguments configures the SDK, what the Router behind it.

The SDK's keep their meaning and their variables. Those of OpenAI's endpoint (``api_key``,
``base_url``, ``organization``, ``project``, ``default_headers``, ``default_query``,
``http_client``) configure the Router's OpenAI provider. An explicit ``base_url`` is a choice of
whom to ask, so that provider is then the only one unless ``providers=`` names more; as in the SDK
it is trusted, plain http to a machine of the local network included. With ``providers=`` those are
asked and, of the endpoint, what is given beside them; not what the environment says of it.
"""

from __future__ import annotations

import os
from difflib import get_close_matches
from inspect import signature
from typing import TYPE_CHECKING, Any

import openai

from trunkline._router import Router, parts_of
from trunkline.errors import ConfigurationError
from trunkline.providers.registry import configured_from_environment

from ._door import Door, Habits
from ._endpoint import (
    OFFICIAL,
    PLACEHOLDER,
    base_url_of,
    carried_headers,
    carried_query,
    endpoint_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ._door import AnyIO, AnyRouter
    from ._endpoint import Endpoint

OF_A_VIEW = frozenset(
    {"team", "user", "tags", "objective", "models", "fallbacks", "policy", "deadline_s"}
)
"""The Router's settings that a copy of a client may have otherwise."""

OF_THE_ENDPOINT = (
    *("base_url", "organization", "project", "default_headers", "default_query", "data_residency"),
    "http_client",
)
"""A router that is handed in has providers with endpoints of their own."""

# They sign requests for a service of their own, which no other endpoint could take.
_NOT_TAKEN = ("provider",)
_SDKS_ARGUMENTS = frozenset(signature(openai.OpenAI.__init__).parameters) - {"self"}
_ROUTERS_ARGUMENTS = frozenset(signature(Router.__init__).parameters) - {"self"}


class Setup:
    """A client's arguments, parted.

    Args:
        router: As handed in.
        options: All others.

    Attributes:
        sdks: The SDK's, without ``http_client``.
        routers: The Router's.
        http_client: As given: the caller's own, or that of the client that this one is a copy of.
        door: Of that client.
        own: The caller's own HTTP client, for the provider.

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
        self.own = None if self.door is not None else self.http_client
        if self.door is None:
            self._check()
            if self._needs_no_key():
                self.sdks["api_key"] = PLACEHOLDER

    @property
    def kept(self) -> dict[str, Any]:
        """What a copy of the client must be made with beside the SDK's arguments."""
        return self.routers if self.router is None else {**self.routers, "router": self.router}

    def open(self, client: Any, make: type[Any], io: Callable[[Any], AnyIO]) -> Door:
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
        is_own = self.router is None
        headers = {**_lower(client.auth_headers), **carried_headers(client)}
        door = Door(
            router,
            io(parts_of(router).pool),
            Habits(base_url_of(client), headers, carried_query(client)),
            endpoint_of(client) if is_own else None,
            names_providers="providers" in self.routers,
            owns=(router, self.own) if is_own else (),
        )
        if self.own is not None:
            door.lend_client_to(base_url_of(client))
        return door

    def _check(self) -> None:
        for name in self.routers.keys() - _ROUTERS_ARGUMENTS:
            near = get_close_matches(name, _ROUTERS_ARGUMENTS | _SDKS_ARGUMENTS, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise TypeError(f"neither openai's client nor a Router has an argument {name!r}{hint}")
        for name in _NOT_TAKEN:
            if self.sdks.get(name) is not None:
                raise openai.OpenAIError(
                    f"`{name}` signs requests for a service of its own, which cannot be answered "
                    "in process: use openai's own client for it (or did you mean `providers`?)"
                )
        if self.router is None:
            return
        for name in (*self.routers, *OF_THE_ENDPOINT):
            value = self.own if name == "http_client" else self.sdks.get(name)
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
        found = {"timeout": client.timeout, "http_client": self.own, **self.routers}
        endpoint, named = endpoint_of(client), self.routers.get("providers")
        if named is not None:  # what the environment has is not asked for where they are named
            own = [endpoint.provider()] if self._names_endpoint() else []
            return {**found, "providers": [*own, *named]}
        if endpoint.base_url != OFFICIAL:
            return {**found, "providers": [endpoint.provider()]}
        return found if self.sdks.get("api_key") == PLACEHOLDER else {**found, **_told(endpoint)}

    def _names_endpoint(self) -> bool:
        given = (self.sdks.get(name) for name in ("api_key", "base_url", "data_residency"))
        return any(value not in (None, PLACEHOLDER, openai.NOT_GIVEN) for value in given)


def _told(endpoint: Endpoint) -> dict[str, Any]:
    """Return what makes a Router add OpenAI's provider to those of the environment."""
    return {
        "base_url": endpoint.base_url,
        "api_key": None if endpoint.key is None else endpoint.key.reveal(),
        "default_headers": dict(endpoint.headers),
        "default_query": dict(endpoint.query),
    }


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
