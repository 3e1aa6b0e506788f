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
from trunkline.errors import (
    APIConnectionError,
    APITimeoutError,
    ConfigurationError,
    TrunklineError,
)

from ._door import Sent
from ._endpoint import base_url_of

if TYPE_CHECKING:
    from types import ModuleType

    from trunkline._api.messages import Reply, Streamed

    from ._door import Door

MARKS = "trunkline"
"""The extension of a request that holds its ``Marks``."""


class Marks(NamedTuple):
    """What only the copy of the client knows that makes a request."""

    client: Any
    max_retries: int

    def __repr__(self) -> str:
        return f"<Marks max_retries={self.max_retries}>"  # a client's attributes hold its key


@cache
def http_library() -> ModuleType:
    """Return the HTTP library that the installed SDK is built on."""
    # ``openai.Timeout`` would say it too, if the SDK had not renamed the module that it is from.
    base: type[Any] = openai.DefaultHttpxClient.__bases__[0]
    return import_module(base.__module__.partition(".")[0])


def in_process(kind: str, transport: Any, own: Any) -> Any:
    """Return the HTTP client of an SDK's client, whose requests a transport answers.

    Args:
        kind: ``"Client"`` or ``"AsyncClient"``.
        transport: What answers.
        own: The caller's HTTP client, which lends its timeout as it would with the SDK.

    Raises:
        TypeError: That is of another kind.
    """
    library = http_library()
    timeout: Any = {}
    if own is not None:
        timeout = {"timeout": library.Timeout(**checked(own, kind).timeout.as_dict())}
    # Nothing of the environment is for it: no proxy and no certificate stands before a Router.
    return getattr(library, kind)(transport=transport, trust_env=False, **timeout)


def checked(own: Any, kind: str) -> Any:
    """Return the caller's HTTP client, if it is of a kind that the SDK would take.

    Raises:
        TypeError: It is not.
    """
    import httpx

    if any(isinstance(own, getattr(library, kind)) for library in (http_library(), httpx)):
        return own
    raise TypeError(
        f"Invalid `http_client` argument; Expected an instance of `httpx.{kind}` but got "
        f"{type(own)}"
    )


class Transport:
    """Answers the requests of a synchronous client; starts no event loop."""

    door: Door

    def handle_request(self, request: Any) -> Any:
        """Answer; see ``httpx.BaseTransport``."""
        request.read()
        try:
            reply = run_to_completion(self.door.answer(_sent(request)))
            return _response(reply, request, _bodies()[0])
        except Exception as error:  # the SDK must meet none but its own
            raise _as_sdks(error, request) from error

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
            return _response(reply, request, _bodies()[1])
        except Exception as error:  # the SDK must meet none but its own
            raise _as_sdks(error, request) from error

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
        client=marks.client,
        base_url=base_url_of(marks.client),
        method=request.method,
        url=str(request.url).partition("?")[0],
        headers=request.headers.multi_items(),
        query=request.url.params.multi_items(),
        body=request.content,
        content_type=request.headers.get("content-type", "application/json"),
        timeout=request.extensions["timeout"],
        max_retries=marks.max_retries,
    )


def _response(reply: Reply, request: Any, body: Any) -> Any:
    library = http_library()
    # A stream also where all of it is here: at its end the client notes how long it took.
    whole = isinstance(reply.body, bytes)
    stream = library.ByteStream(reply.body) if whole else body(reply.body, request)
    # As they came: a header may hold any character of latin-1, and the library would refuse some.
    headers = [(n.encode("latin-1"), v.encode("latin-1")) for n, v in reply.headers.items()]
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
        except Exception as error:  # the SDK must meet none but its own
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
        except Exception as error:  # the SDK must meet none but its own
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


def _as_sdks(error: Exception, request: Any) -> openai.OpenAIError:
    """Return the SDK's error for one of ours.

    A foreign one would be retried by the SDK, and what it came after may have to be paid again.
    """
    if isinstance(error, openai.OpenAIError):
        return error
    if isinstance(error, APITimeoutError):
        return openai.APITimeoutError(request=request)
    if isinstance(error, APIConnectionError):
        return openai.APIConnectionError(message=error.message, request=request)
    if isinstance(error, TrunklineError):
        return openai.OpenAIError(error.message)
    return openai.OpenAIError(
        f"answering in process failed with {type(error).__name__}: a fault of trunkline's, please "
        "report it; nothing is tried again, because the call may have been paid"
    )
