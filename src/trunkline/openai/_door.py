"""Between an ``openai`` client and a Router: what a request is answered with.

Decides which endpoint of OpenAI's a request means, the client's own or that of a copy, and what of
its headers and query is the call's own. Knows no HTTP library.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from trunkline._admission import OPENAI
from trunkline._api.messages import ApiRequest
from trunkline._api.routes import serve
from trunkline._io.protocol import Timeout
from trunkline._router import parts_of
from trunkline.errors import ConfigurationError

from ._endpoint import (
    OFFICIAL,
    PLACEHOLDER,
    Endpoint,
    Query,
    carried_headers,
    carried_query,
    told_headers,
    told_query,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from trunkline._api.messages import Reply
    from trunkline._engine import Engine
    from trunkline._io.async_ import AsyncIO
    from trunkline._io.blocking import BlockingIO
    from trunkline._router import AsyncRouter, Router

    AnyRouter = Router | AsyncRouter
    AnyIO = BlockingIO | AsyncIO

_MOST_ENDPOINTS = 64  # a client whose key changes with each call would keep one a call


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A request of a client's, in plain words.

    Attributes:
        client: The copy that sent it.
        base_url: Of that copy.
        url: Without its query.
        timeout: Seconds by kind, as the HTTP libraries name them.
        max_retries: Of that copy, or of the request.
    """

    client: Any = field(repr=False)
    base_url: str
    method: str
    url: str
    headers: Iterable[tuple[str, str]] = field(repr=False)
    query: Iterable[tuple[str, str]] = field(repr=False)
    body: bytes = field(repr=False)
    content_type: str
    timeout: Mapping[str, float | None]
    max_retries: int


class Habits(NamedTuple):
    """What every request of a client carries, the key included."""

    base_url: str
    headers: Mapping[str, str]
    query: Query

    def __repr__(self) -> str:
        return f"<Habits of {self.base_url}>"  # no header of it


class _Asked(NamedTuple):
    """Whom a request is for, and what of it is the call's own."""

    engine: Engine
    headers: Mapping[str, str]
    query: Mapping[str, Any]


class Door:
    """What the copies of one client share.

    Args:
        router: Who answers.
        io: The effects to answer with, of the client's own kind.
        habits: What is no call's own.
        endpoint: Which the router's OpenAI provider asks; ``None`` where the router was handed in,
            whose providers know their endpoints and have their keys.
        names_providers: Whether others were asked for by name, so that they are asked also where
            the endpoint is another than OpenAI's own.
        owns: What is closed with the client.
    """

    def __init__(
        self,
        router: AnyRouter,
        io: AnyIO,
        habits: Habits,
        endpoint: Endpoint | None,
        *,
        names_providers: bool = False,
        owns: tuple[Any, ...] = (),
    ) -> None:
        self.router = router
        self.io = io
        self.owns = tuple(owned for owned in owns if owned is not None)
        self._parts = parts_of(router)
        self._habits = habits
        self._endpoint = endpoint
        self._names_providers = names_providers
        self._engines: dict[Endpoint, Engine] = {}
        self._lock = threading.Lock()

    def viewed(self, router: AnyRouter) -> Door:
        """Return a door to a view of the same router."""
        return self._like(router, self.io)

    def through(self, io: AnyIO, http_client: Any) -> Door:
        """Return a door to the same router by another way to the network."""
        door = self._like(self.router, io, http_client)
        door.lend_client_to(self._habits.base_url)
        return door

    def lend_client_to(self, base_url: str) -> None:
        """Use the caller's own HTTP client for this endpoint, and for no other provider."""
        self.io.pool.lend_client_to(base_url)

    def _like(self, router: AnyRouter, io: AnyIO, *owns: Any) -> Door:
        return Door(
            router,
            io,
            self._habits,
            self._endpoint,
            names_providers=self._names_providers,
            owns=owns,
        )

    async def answer(self, sent: Sent) -> Reply:
        """Answer one request.

        Raises:
            APIConnectionError: There was no answer.
            ConfigurationError: It is for an endpoint that the router does not know.
        """
        asked = self._asked(sent)
        settings = replace(
            self._parts.scoped(), max_retries=sent.max_retries, timeout_is_per_attempt=True
        )
        request = ApiRequest(
            method=sent.method,
            path=_path(sent),
            headers=asked.headers,
            query=asked.query,
            body=sent.body,
            content_type=sent.content_type,
            timeout=_timeout(sent.timeout),
            only=self._only(sent, asked.engine),
        )
        return await serve(asked.engine, self.io, settings, request)

    def _asked(self, sent: Sent) -> _Asked:
        headers, query = told_headers(sent.headers), told_query(sent.query)
        if (sent.base_url, headers, query) == self._habits:  # most requests carry nothing else
            return _Asked(self._parts.engine, {}, {})
        carried, of_client = carried_headers(sent.client), carried_query(sent.client)
        authorization = headers.pop("authorization", None)
        own = {n: v for n, v in headers.items() if carried.get(n) != v}
        own_query = {n: v for n, v in query.items() if of_client.get(n) != v}
        if self._endpoint is None:
            self._check_endpoint(sent)
            return _Asked(self._parts.engine, self._with_key(own, authorization), own_query)
        endpoint = Endpoint.of(
            sent.base_url,
            authorization,
            {n: v for n, v in headers.items() if n not in own},
            {n: v for n, v in query.items() if n not in own_query},
        )
        return _Asked(self._engine_for(endpoint), own, own_query)

    def _only(self, sent: Sent, engine: Engine) -> str | None:
        is_elsewhere = self._endpoint is not None and sent.base_url != OFFICIAL
        return OPENAI if is_elsewhere and list(engine.providers) == [OPENAI] else None

    def _check_endpoint(self, sent: Sent) -> None:
        if sent.base_url != self._habits.base_url:
            raise ConfigurationError(
                f"base_url={sent.base_url!r:.200} is not known to the router that the client was "
                "made with: add an OpenAIProvider of this base_url to it, or leave router= out"
            )

    def _with_key(self, own: dict[str, str], authorization: str | None) -> dict[str, str]:
        """Add a key that was given with this call alone; a router's own keys are its providers'."""
        habit = self._habits.headers.get("authorization")
        if authorization in (None, habit, f"Bearer {PLACEHOLDER}"):
            return own
        return {**own, "authorization": authorization or ""}

    def _engine_for(self, endpoint: Endpoint) -> Engine:
        if endpoint == self._endpoint:
            return self._parts.engine
        with self._lock:
            if (engine := self._engines.pop(endpoint, None)) is None:
                alone = endpoint.base_url != OFFICIAL and not self._names_providers
                engine = self._parts.engine.asking(endpoint.provider(), alone=alone)
                self.lend_client_to(endpoint.base_url)
            self._engines[endpoint] = engine  # the newest use last
            while len(self._engines) > _MOST_ENDPOINTS:
                del self._engines[next(iter(self._engines))]
            return engine


def _path(sent: Sent) -> str:
    path = sent.url.removeprefix(sent.base_url)
    if path == sent.url or not path.startswith("/"):  # a longer host or port is another's
        raise ConfigurationError(
            f"only addresses below base_url={sent.base_url!r:.200} are answered in process"
        )
    return path


def _timeout(seconds: Mapping[str, float | None]) -> Timeout:
    return Timeout(seconds.get("connect"), seconds.get("read"), seconds.get("write"))
