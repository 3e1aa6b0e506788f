"""The HTTP client of an ``openai`` client whose requests are answered in this process.

It is of the library that the installed SDK uses (httpx, or httpx2 from 3.x on), with a transport in
the place of the network. Decides nothing of an answer; what was none is raised as the SDK's own
errors, which it passes on as they are, while it would retry, wrap or leak others.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import openai

from trunkline._io.blocking import run_to_completion
from trunkline.errors import APIConnectionError, APITimeoutError, ConfigurationError

from ._door import Sent

if TYPE_CHECKING:
    from types import ModuleType

    from trunkline._api.messages import Reply, Streamed
    from trunkline.errors import TrunklineError

    from ._door import Door
    from ._setup import Setup

MARKS = "trunkline"
"""The extension of a request that holds its ``Marks``."""


class Marks(NamedTuple):
    """What only the copy of the client knows that makes a request."""

    base_url: str
    max_retries: int


@cache
def http_library() -> ModuleType:
    """Return the HTTP library that the installed SDK is built on."""
    # ``openai.Timeout`` would say it too, if the SDK had not renamed the module that it is from.
    base: type[Any] = openai.DefaultHttpxClient.__bases__[0]
    return import_module(base.__module__.partition(".")[0])


def http_client(kind: str, transport: Any, setup: Setup | None) -> Any:
    """Return the HTTP client of an SDK's client.

    Args:
        kind: ``"Client"`` or ``"AsyncClient"``.
        transport: What answers its requests.
        setup: Of the client; the one that it is a copy of has one already. The caller's own HTTP
            client lends its timeout, as it would with the SDK.

    Raises:
        TypeError: The caller's own is of another kind.
    """
    if setup is not None and setup.door is not None:
        return setup.http_client
    own = None if setup is None else setup.http_client
    if own is None:
        timeout: Any = {}
    elif any(isinstance(own, getattr(library, kind)) for library in _libraries()):
        timeout = {"timeout": http_library().Timeout(**own.timeout.as_dict())}
    else:
        raise TypeError(
            f"Invalid `http_client` argument; Expected an instance of `httpx.{kind}` but got "
            f"{type(own)}"
        )
    # Nothing of the environment is for it: no proxy and no certificate stands before a Router.
    return getattr(http_library(), kind)(transport=transport, trust_env=False, **timeout)


def _libraries() -> tuple[ModuleType, ModuleType]:
    import httpx

    return http_library(), httpx


class Transport:
    """Answers the requests of a synchronous client; starts no event loop."""

    door: Door

    def handle_request(self, request: Any) -> Any:
        """Answer; see ``httpx.BaseTransport``."""
        request.read()
        try:
            reply = run_to_completion(self.door.answer(_sent(request)))
        except (APIConnectionError, ConfigurationError) as error:
            raise _as_sdks(error, request) from error
        return _response(reply, request, _bodies()[0])

    def close(self) -> None:
        """Close the Router, and the HTTP client under it, where they are the client's own."""
        for owned in self.door.owns:
            owned.close()

    def __enter__(self) -> Transport:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncTransport:
    """Answers the requests of an asynchronous client; blocks no event loop."""

    door: Door

    async def handle_async_request(self, request: Any) -> Any:
        """Answer; see ``httpx.AsyncBaseTransport``."""
        await request.aread()
        try:
            reply = await self.door.answer(_sent(request))
        except (APIConnectionError, ConfigurationError) as error:
            raise _as_sdks(error, request) from error
        return _response(reply, request, _bodies()[1])

    async def aclose(self) -> None:
        """Close the Router, and the HTTP client under it, where they are the client's own."""
        for owned in self.door.owns:
            await owned.aclose()

    async def __aenter__(self) -> AsyncTransport:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _sent(request: Any) -> Sent:
    marks: Marks | None = request.extensions.get(MARKS)
    if marks is None:
        raise ConfigurationError("only requests of the client that this transport is of are served")
    return Sent(
        method=request.method,
        url=str(request.url).partition("?")[0],
        base_url=marks.base_url,
        headers=request.headers.multi_items(),
        query=request.url.params.multi_items(),
        body=request.content,
        timeout=request.extensions["timeout"],
        max_retries=marks.max_retries,
    )


def _response(reply: Reply, request: Any, body: Any) -> Any:
    library = http_library()
    # A stream also where all of it is here: at its end the client notes how long it took.
    whole = isinstance(reply.body, bytes)
    stream = library.ByteStream(reply.body) if whole else body(reply.body, request)
    headers = list(reply.headers.items())
    return library.Response(reply.status, headers=headers, stream=stream, request=request)


class _Body:
    """A streamed reply as a synchronous client reads it."""

    def __init__(self, streamed: Streamed, request: Any) -> None:
        self._streamed = streamed
        self._request = request

    def __iter__(self) -> _Body:
        return self

    def __next__(self) -> bytes:
        try:
            data = run_to_completion(self._streamed.next_bytes())
        except APIConnectionError as error:
            raise _as_sdks(error, self._request) from error
        if not data:
            raise StopIteration
        return data

    def close(self) -> None:
        """Stop reading, and settle what came."""
        run_to_completion(self._streamed.finish())


class _AsyncBody:
    """A streamed reply as an asynchronous client reads it."""

    def __init__(self, streamed: Streamed, request: Any) -> None:
        self._streamed = streamed
        self._request = request

    def __aiter__(self) -> _AsyncBody:
        return self

    async def __anext__(self) -> bytes:
        try:
            data = await self._streamed.next_bytes()
        except APIConnectionError as error:
            raise _as_sdks(error, self._request) from error
        if not data:
            raise StopAsyncIteration
        return data

    async def aclose(self) -> None:
        """Stop reading, and settle what came."""
        await self._streamed.finish()


@cache
def _bodies() -> tuple[type[Any], type[Any]]:
    """Return the two bodies as classes that the SDK's HTTP library takes for its own streams."""
    library = http_library()
    return (
        type("Body", (_Body, library.SyncByteStream), {}),
        type("AsyncBody", (_AsyncBody, library.AsyncByteStream), {}),
    )


def _as_sdks(error: TrunklineError, request: Any) -> openai.OpenAIError:
    if isinstance(error, ConfigurationError):
        return openai.OpenAIError(error.message)
    if isinstance(error, APITimeoutError):
        return openai.APITimeoutError(request=request)
    return openai.APIConnectionError(message=error.message, request=request)
