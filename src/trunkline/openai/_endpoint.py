"""OpenAI's endpoint as a client means it: address, key, headers, query.

Decides what of a request belongs to the client that sends it (and so to OpenAI's provider, and to
no other) and what is the call's own. Knows no HTTP library.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from trunkline.errors import ConfigurationError
from trunkline.providers.endpoint import host_of, is_metadata, secret
from trunkline.providers.openai import OpenAIProvider

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from trunkline.types.secret import Secret

OFFICIAL = OpenAIProvider.SITE.base_url
PLACEHOLDER = "answered-in-process"
"""Stands in for an OpenAI key where the Router needs none; never sent anywhere."""

Query = dict[str, str | list[str]]

_OF_THE_WIRE = frozenset(
    {
        *("host", "connection", "content-length", "transfer-encoding", "content-type"),
        *("accept", "accept-encoding", "user-agent"),
    }
)
_SDKS_OWN = "x-stainless-"  # what kind of SDK asks, and how often it has


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a client's requests are meant to go, and what they carry there.

    Attributes:
        base_url: Without its trailing slash.
        key: ``None`` where requests carry none.
        headers: Lower-case names, without the key.
        query: Of every URL.
    """

    base_url: str
    key: Secret | None
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    query: tuple[tuple[str, str | tuple[str, ...]], ...] = field(repr=False)

    @classmethod
    def of(
        cls, base_url: str, authorization: str | None, headers: Mapping[str, str], query: Query
    ) -> Endpoint:
        """Make one of what a request carries; ``headers`` may hold the key as well."""
        return cls(
            base_url=base_url,
            key=_key_in(authorization),
            headers=tuple((n, v) for n, v in headers.items() if n != "authorization"),
            query=tuple((n, tuple(v) if isinstance(v, list) else v) for n, v in query.items()),
        )

    def provider(self) -> OpenAIProvider:
        """Return the provider that asks here, and takes nothing of the environment.

        Raises:
            ConfigurationError: It is an address that nothing may be sent to.
        """
        # Whoever writes an address in code means it; a cloud's own credentials stay out of reach.
        is_trusted = self.base_url != OFFICIAL and not is_metadata(host_of(self.base_url))
        return OpenAIProvider(
            base_url=self.base_url,
            api_key=self.key,
            default_headers=dict(self.headers),
            default_query=dict(self.query),
            trust_base_url=is_trusted,
            environ={},
        )


def endpoint_of(client: Any) -> Endpoint:
    """Return the endpoint of a client that was just made."""
    headers = carried_headers(client)
    authorization = headers.get("authorization") or client.auth_headers.get("Authorization")
    return Endpoint.of(base_url_of(client), authorization, headers, carried_query(client))


def base_url_of(client: Any) -> str:
    """Return a client's base URL without its trailing slash."""
    return str(client.base_url).rstrip("/")


def carried_headers(client: Any) -> dict[str, str]:
    """Return what every request of a client carries beside its key; one left out is no string."""
    given: Mapping[str, Any] = client.default_headers
    return told_headers((n, v) for n, v in given.items() if isinstance(v, str))


def told_headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return headers with lower-case names, without what describes the SDK or its exchange."""
    found = ((name.lower(), value) for name, value in headers)
    return {n: v for n, v in found if n not in _OF_THE_WIRE and not n.startswith(_SDKS_OWN)}


def carried_query(client: Any) -> Query:
    """Return the parameters of every URL of a client, as the SDK writes them."""
    return told_query(parse_qsl(client.qs.stringify(client.default_query), keep_blank_values=True))


def told_query(pairs: Iterable[tuple[str, str]]) -> Query:
    """Return parameters by name; those that repeat are lists."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def _key_in(authorization: str | None) -> Secret | None:
    scheme, _, key = (authorization or "").partition(" ")
    if not authorization or key == PLACEHOLDER:
        return None
    if scheme.lower() != "bearer":
        raise ConfigurationError("header 'Authorization' must be 'Bearer KEY'")
    return secret(key, name="header 'Authorization'")
