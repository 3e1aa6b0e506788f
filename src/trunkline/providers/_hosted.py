"""What the providers with a server have in common: address, key, headers, the request itself.

Decides which key may go where (failure-model X6): one from the environment goes to the provider's
own host, or to an address that comes from the environment too; an address given in code needs a key
given in code. What is sent and read is each provider's business.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from trunkline.errors import ConfigurationError

from ._body import encode
from ._failures import Source, failure
from .base import HttpRequest
from .endpoint import (
    NATIVE_KEY_HEADERS,
    check_base_url,
    check_name,
    checked_query,
    declared,
    is_same_origin,
    secret,
    split_headers,
    with_query,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trunkline.catalog.models import Model
    from trunkline.errors import APIError
    from trunkline.types.secret import Secret

    from ._translation import Param
    from .base import JSON, Asked, Exchange, HttpResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where a provider's own servers are, and what configures it.

    Attributes:
        section: Of the catalogue; also the default name and the kind of its ``x-…-key`` header.
        base_url: Its own address.
        key_variables: Environment variables of the key, the first that is set wins.
        url_variable: Environment variable of the address.
        key_header: Header that carries the key, and what stands before it there.
        headers: Sent with every request.
        needs_key: Whether its own host answers nothing without one.
    """

    section: str
    base_url: str
    key_variables: tuple[str, ...]
    url_variable: str | None = None
    key_header: tuple[str, str] = ("authorization", "Bearer ")
    headers: tuple[tuple[str, str], ...] = ()
    needs_key: bool = True


class HostedProvider:
    """Base of the providers with a server; a subclass adds ``SITE``, and ``PARAMS`` for the docs.

    Args:
        name: Name in ``provider/model``, scopes and errors; two keys or endpoints of one model are
            two instances of different names.
        api_key: Default from the environment (``Site.key_variables``), for the provider's own host.
        base_url: Default from the environment, else the provider's own; one given here needs its
            own key, if any.
        default_headers: Sent with every request, to this provider alone; ``Authorization`` or the
            provider's ``x-…-key`` among them is the key, other providers' ``x-…-key`` are dropped.
        default_query: Added to every URL; keys have no place there.
        models: Models beyond the catalogue's.
        section: Section of the catalogue its models are looked up in, ``None`` for none.
        trust_base_url: Allow plain http to another machine, and link-local addresses.
        environ: Environment variables, by default the process's.

    Raises:
        ConfigurationError: An argument no request could be made with, by name.
    """

    SITE: ClassVar[Site]
    PARAMS: ClassVar[Mapping[str, Param]]

    def __init__(
        self,
        name: str | None = None,
        *,
        api_key: str | Secret | None = None,
        base_url: str | None = None,
        default_headers: Mapping[str, str] | None = None,
        default_query: Mapping[str, object] | None = None,
        models: Sequence[Model | str] = (),
        section: str | None = "",
        trust_base_url: bool = False,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        site = self.SITE
        environ = os.environ if environ is None else environ
        self.name = check_name(site.section if name is None else name)
        self.section = site.section if section == "" else section
        self.models = declared(models)
        from_environment = base_url is None
        variable = environ.get(site.url_variable, "") if site.url_variable else ""
        self.base_url = check_base_url(
            base_url or variable.strip() or site.base_url, trusted=trust_base_url
        )
        self._is_trusted = trust_base_url
        # A key of the environment never crosses a network in plain text, whatever is trusted.
        self._is_official = is_same_origin(self.base_url, site.base_url)
        headers, key = split_headers(default_headers or {}, site.section)
        self.key: Secret | None = secret(api_key) or key
        if self.key is None and (from_environment or self._is_official):
            self.key = _from_environment(environ, site.key_variables)
        self._headers = dict((("content-type", "application/json"), *site.headers, *headers))
        self._query = checked_query(default_query or {}, "default_query")
        self.source = self._make_source()

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(name={self.name!r}, base_url={self.base_url!r}, "
            f"models={len(self.models)}, key={self.key})"
        )

    def failure(self, response: HttpResponse, exchange: Exchange) -> APIError:
        """Map an error answer; see ``base.Provider``."""
        return failure(response, exchange, self.source)

    def missing_key(self, headers: Mapping[str, str]) -> str | None:
        """Say which key is missing; see ``base.NeedsKey``."""
        if self.key is not None or not (self._is_official and self.SITE.needs_key):
            return None
        if headers and split_headers(headers, self.SITE.section)[1] is not None:
            return None
        variables = " or ".join(self.SITE.key_variables)
        return f"provider {self.name!r} has no key: set {variables}, or give api_key="

    @property
    def is_official(self) -> bool:
        """Whether it is at the provider's own address, of which the catalogue knows."""
        return self._is_official

    @property
    def owns_kind_keys(self) -> bool:
        """Whether a key of its kind (``x-openai-key``) is for it, whomever a call names.

        One at another address under a name of its own gets it only where the call names it.
        """
        return self._is_official or self.name == self.SITE.section

    def _make_source(self) -> Source:
        """Say who answers; a provider with errors of its own says how they are read."""
        return Source(self.name, (self.key,))

    def http(
        self,
        asked: Asked,
        path: str,
        body: JSON | None,
        query: Mapping[str, Any] | None = None,
        *,
        base_url: str | None = None,
    ) -> HttpRequest:
        """Make the request: POST with a body, GET without.

        Args:
            asked: The call; its headers and query win.
            path: Appended to the base URL.
            body: What is sent as JSON.
            query: Of the path.
            base_url: Where the same host has it, for a path outside the provider's own.

        Raises:
            ConfigurationError: No key for the provider's own host.
            BadRequestError: The body cannot be written as JSON.
        """
        headers, key = self._authorized(asked)
        data = b"" if body is None else encode(body, asked.deployment.id, key)
        url = with_query(
            f"{base_url or self.base_url}{path}", query or {}, self._query, asked.query
        )
        method = "GET" if body is None else "POST"
        return HttpRequest(method, url, tuple(headers.items()), data, self._is_trusted)

    def http_literally(self, asked: Asked) -> HttpRequest:
        """Make the request of a call that is passed on as it is; see ``base.PassesOn``.

        Raises:
            ConfigurationError: No key for the provider's own host.
        """
        headers, _ = self._authorized(asked)
        params = asked.params
        headers["content-type"] = params["content_type"]
        url = with_query(f"{self.base_url}{params['path']}", self._query, asked.query)
        return HttpRequest(
            params["method"],
            url,
            tuple(headers.items()),
            params["body"],
            trusted=self._is_trusted,
            unread=True,
        )

    def _authorized(self, asked: Asked) -> tuple[dict[str, str], Secret | None]:
        headers, key = dict(self._headers), self.key
        if asked.headers:
            extra, own = split_headers(self._meant(asked.headers), self.SITE.section)
            headers.update(extra)
            key = own or key
        if key is not None:
            self._carry(headers, key)
        elif (missing := self.missing_key({})) is not None:
            raise ConfigurationError(missing)
        return headers, key

    def _meant(self, headers: Mapping[str, str]) -> dict[str, str]:
        section = self.SITE.section
        return {
            n: v
            for n, v in headers.items()
            if NATIVE_KEY_HEADERS.get(n.lower(), section) == section
        }

    def _carry(self, headers: dict[str, str], key: Secret) -> None:
        header, prefix = self.SITE.key_header
        headers[header] = prefix + key.reveal()


def _from_environment(environ: Mapping[str, str], variables: Sequence[str]) -> Secret | None:
    for variable in variables:
        if (key := secret(environ.get(variable), name=variable)) is not None:
            return key
    return None
