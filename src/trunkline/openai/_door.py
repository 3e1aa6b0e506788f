"""Between an ``openai`` client and a Router: what a request is answered with.

Decides which endpoint of OpenAI's a request means (the client's own, or that of a copy with another
``base_url``) and what of its headers is the call's own: what every request of the client carries
anyway configures the OpenAI provider once, and reaches no other provider with each call. Knows no
HTTP library.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from trunkline._api.messages import ApiRequest
from trunkline._api.routes import serve
from trunkline._io.protocol import Timeout
from trunkline._router import parts_of
from trunkline.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from trunkline._api.messages import Reply
    from trunkline._engine import Engine
    from trunkline._io.protocol import IO
    from trunkline._router import AsyncRouter, Router
    from trunkline.providers.base import Provider

    AnyRouter = Router | AsyncRouter

PLACEHOLDER = "answered-in-process"
"""Stands in for an OpenAI key where the Router needs none; never sent anywhere."""

_OF_THE_WIRE = frozenset(
    {
        *("host", "connection", "content-length", "transfer-encoding", "content-type"),
        *("accept", "accept-encoding", "user-agent"),
    }
)
_SDKS_OWN = "x-stainless-"  # what kind of SDK asks, and how often it has


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A request of the client's, in plain words.

    Attributes:
        url: Without its query.
        base_url: Of the copy of the client that sent it.
        timeout: Seconds by kind, as the HTTP libraries name them.
        max_retries: Of that copy, or of the request.
    """

    method: str
    url: str
    base_url: str
    headers: Iterable[tuple[str, str]] = field(repr=False)
    query: Iterable[tuple[str, str]] = field(repr=False)
    body: bytes = field(repr=False)
    timeout: Mapping[str, float | None]
    max_retries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What every request of a client carries, because the client was made so.

    Attributes:
        base_url: Without its trailing slash.
        headers: Lower-case names; the client's key among them.
        query: Parameters of every URL.
        removable: Those of the headers that the OpenAI provider was made with, so that a request
            without one is not for that provider as it is.
    """

    base_url: str
    headers: Mapping[str, str] = field(repr=False)
    query: Mapping[str, str] = field(repr=False)
    removable: frozenset[str] = frozenset()


class Door:
    """What the copies of one client share.

    Args:
        router: Who answers.
        io: The effects to answer with, of the client's own kind.
        habits: What is no call's own.
        provider_at: Makes the OpenAI provider of another base URL, without some of its headers
            and query parameters; ``None`` where the router was handed in, whose providers know
            their endpoints.
        owns: What is closed with the client.
    """

    def __init__(
        self,
        router: AnyRouter,
        io: IO,
        habits: Habits,
        provider_at: Callable[[str, frozenset[str]], Provider] | None,
        owns: tuple[Any, ...] = (),
    ) -> None:
        self.router = router
        self._parts = parts_of(router)
        self.owns = tuple(owned for owned in owns if owned is not None)
        self.io = io
        self._habits = habits
        self._provider_at = provider_at
        self._engines: dict[tuple[str, frozenset[str]], Engine] = {
            (habits.base_url, frozenset()): self._parts.engine
        }

    def viewed(self, router: AnyRouter) -> Door:
        """Return a door to a view of the same router."""
        return Door(router, self.io, self._habits, self._provider_at)

    async def answer(self, sent: Sent) -> Reply:
        """Answer one request.

        Raises:
            APIConnectionError: There was no answer.
            ConfigurationError: It is for an endpoint that the router does not know.
        """
        engine = self._engine_at(sent.base_url, self._missing(sent))
        settings = replace(
            self._parts.scoped(), max_retries=sent.max_retries, timeout_is_per_attempt=True
        )
        return await serve(engine, self.io, settings, self._request(sent))

    def _request(self, sent: Sent) -> ApiRequest:
        path = sent.url.removeprefix(sent.base_url)
        if path == sent.url:
            raise ConfigurationError(
                f"only addresses below base_url={sent.base_url!r:.200} are answered in process"
            )
        content_type = "application/json"
        own: dict[str, str] = {}
        for name, value in sent.headers:
            lower = name.lower()
            if lower == "content-type":
                content_type = value
            elif self._is_own(lower, value):
                own[lower] = value
        return ApiRequest(
            method=sent.method,
            path=path,
            headers=_with_named_key(own),
            query={n: v for n, v in sent.query if self._habits.query.get(n) != v},
            body=sent.body,
            content_type=content_type,
            timeout=_timeout(sent.timeout),
        )

    def _is_own(self, name: str, value: str) -> bool:
        is_habit = self._habits.headers.get(name) == value
        return not (is_habit or name in _OF_THE_WIRE or name.startswith(_SDKS_OWN))

    def _missing(self, sent: Sent) -> frozenset[str]:
        """Name what the client carries and this request does not."""
        habits = self._habits
        if not habits.removable and not habits.query:
            return frozenset()
        present = {name.lower() for name, _ in sent.headers} | {name for name, _ in sent.query}
        return frozenset({*habits.removable, *habits.query} - present)

    def _engine_at(self, base_url: str, missing: frozenset[str]) -> Engine:
        if (engine := self._engines.get((base_url, missing))) is not None:
            return engine
        if self._provider_at is None:
            raise ConfigurationError(
                f"base_url={base_url!r:.200} is not known to the router that the client was made "
                "with: add an OpenAIProvider of this base_url to it, or leave router= out"
            )
        engine = self._parts.engine.asking(self._provider_at(base_url, missing))
        return self._engines.setdefault((base_url, missing), engine)


def _with_named_key(headers: dict[str, str]) -> dict[str, str]:
    """Say whose key a bare one is, so that it reaches OpenAI's provider and no other."""
    if (authorization := headers.pop("authorization", None)) is not None:
        key = authorization.partition(" ")[2]
        if key != PLACEHOLDER:
            headers["x-openai-key"] = key
    return headers


def _timeout(seconds: Mapping[str, float | None]) -> Timeout:
    return Timeout(seconds.get("connect"), seconds.get("read"), seconds.get("write"))
