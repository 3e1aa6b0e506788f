"""Exchanges through an httpx or httpx2 client: the caller's ``http_client=``, or one for a proxy.

Proxies are used only where the environment names one for the address (``HTTP_PROXY``,
``HTTPS_PROXY``, ``ALL_PROXY``, ``NO_PROXY``, read at the first request); system settings are not
looked at. Which library a client is of does not matter: only ``build_request`` and
``send(stream=True)`` are used. Redirects are never followed.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from trunkline.errors import ConfigurationError

from .traces import async_trace_for, trace_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator

    from .limits import Limits
    from .pool import FreeList, HttpPool
    from .requests import Headers, Message, Target
    from .traces import Trace

_PIECE = 64 * 1024


class ClientAnswer(NamedTuple):
    """Status and raw headers."""

    status: int
    headers: Headers


def client_for(pool: HttpPool, free: FreeList[Any], target: Target, *, is_async: bool) -> Any:
    """Return the client an exchange must go through, ``None`` for a connection of our own.

    Raises:
        ConfigurationError: ``http_client=`` is of the other kind, or a proxy's address is wrong.
    """
    client = pool.client_of(target)
    if client is None:
        proxy = _proxy_for(pool, target)
        if proxy is None:
            return None
        if proxy not in free.clients:
            free.clients[proxy] = _make_proxy_client(pool, proxy, is_async=is_async)
        return free.clients[proxy]
    if inspect.iscoroutinefunction(getattr(client, "send", None)) is not is_async:
        wanted = "httpx.AsyncClient" if is_async else "httpx.Client"
        raise ConfigurationError(
            f"http_client must be an {wanted} here, not {type(client).__name__}"
        )
    return client


def proxies_of_environment() -> dict[str, str]:
    """Return the proxies by scheme that the environment names."""
    if not any(name.lower().endswith("_proxy") and os.environ[name] for name in os.environ):
        return {}
    from urllib.request import getproxies_environment  # 20 ms, only where there is a proxy

    return getproxies_environment()


def _proxy_for(pool: HttpPool, target: Target) -> str | None:
    proxies = pool.proxies
    if proxies is None:
        proxies = pool.proxies = proxies_of_environment()
    if not proxies:
        return None
    proxy = proxies.get(target.scheme.decode()) or proxies.get("all")
    if not proxy:
        return None
    from urllib.request import proxy_bypass

    if proxy_bypass(f"{target.name}:{target.port}"):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _make_proxy_client(pool: HttpPool, proxy: str, *, is_async: bool) -> Any:
    from http.cookiejar import CookieJar, DefaultCookiePolicy

    import httpx

    kind = httpx.AsyncClient if is_async else httpx.Client
    try:
        return kind(
            proxy=proxy,
            verify=pool.tls(),
            trust_env=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            # No limit: httpcore's pool can lose the slots of cancelled exchanges.
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
        )
    except (ValueError, ImportError, httpx.InvalidURL):
        raise ConfigurationError(
            "the proxy in the environment cannot be used: check HTTP_PROXY, HTTPS_PROXY and "
            "ALL_PROXY (SOCKS needs the package socksio)"
        ) from None


class ClientWire:
    """One exchange through a synchronous client."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._response: Any = None
        self._pieces: Any = None
        self._limits: Limits | None = None

    async def send(self, message: Message, limits: Limits) -> ClientAnswer:
        """Send, and wait for status and headers."""
        self._limits = limits
        request = _build(self._client, message, limits)
        request.extensions["trace"] = _clamping(trace_for(message))
        limits.sent = True
        with _within(limits):
            response = self._client.send(request, stream=True, follow_redirects=False)
        self._response = response
        stream = response.extensions.get("network_stream")
        if stream is not None:
            _clamp(stream)
        return _answer(response)

    async def receive(self) -> bytes:
        """Return the next raw piece of the body, ``b""`` at its end."""
        if self._pieces is None:
            read = self._response.is_stream_consumed
            self._pieces = iter((self._response.content,)) if read else self._response.iter_raw()
        assert self._limits is not None  # noqa: S101  # send() came first
        self._limits.left(None)
        with _within(self._limits):
            for piece in self._pieces:
                if piece:
                    return bytes(piece)
        return b""

    async def finish(self) -> bool:
        """Give the connection back to the client's own pool."""
        self._response.close()
        return False

    def is_usable(self) -> bool:
        """Never kept by us."""
        return False

    def abort(self) -> None:
        """Cut it, from anywhere."""
        _shut(self._response)

    def drop(self) -> None:
        """Cut it, from the finaliser of its last user."""
        _shut(self._response)

    def discard(self) -> None:
        """Close it at once."""
        if self._response is not None:
            with contextlib.suppress(Exception):
                self._response.close()


class AsyncClientWire:
    """One exchange through an asynchronous client."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._response: Any = None
        self._pieces: Any = None
        self._limits: Limits | None = None

    async def send(self, message: Message, limits: Limits) -> ClientAnswer:
        """Send, and wait for status and headers."""
        import anyio

        self._limits = limits
        request = _build(self._client, message, limits)
        trace = async_trace_for(message)
        if trace is not None:
            request.extensions["trace"] = trace
        limits.sent = True
        with anyio.fail_after(limits.left(None)):
            response = await self._client.send(request, stream=True, follow_redirects=False)
        self._response = response
        return _answer(response)

    async def receive(self) -> bytes:
        """Return the next raw piece of the body, ``b""`` at its end."""
        import anyio

        if self._pieces is None:
            read = self._response.is_stream_consumed
            content = self._response.content if read else b""
            self._pieces = _once(content) if read else self._response.aiter_raw()
        assert self._limits is not None  # noqa: S101  # send() came first
        if self._limits.ready_only:  # what has arrived cannot be told from what has not
            raise TimeoutError
        with anyio.fail_after(self._limits.left(self._limits.read_s)):
            async for piece in self._pieces:
                if piece:
                    return bytes(piece)
        return b""

    async def finish(self) -> bool:
        """Give the connection back to the client's own pool."""
        await self._response.aclose()
        return False

    def is_usable(self) -> bool:
        """Never kept by us."""
        return False

    def abort(self) -> None:
        """Cut it, from anywhere."""
        _shut(self._response)

    def drop(self) -> None:
        """Cut it, from the finaliser of its last user."""
        _shut(self._response)

    def discard(self) -> None:
        """Close it without waiting: one step, past bare checkpoints, and the socket is shut."""
        response = self._response
        if response is None or response.is_closed:
            return
        closing = response.aclose()
        try:
            for _ in range(16):
                if closing.send(None) is not None:
                    break
        except StopIteration:
            return
        finally:
            with contextlib.suppress(RuntimeError):
                closing.close()
            _shut(response)


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _build(client: Any, message: Message, limits: Limits) -> Any:
    timeouts = {
        "connect": limits.left(limits.connect_s),
        "read": limits.left(limits.read_s),
        "write": limits.left(limits.write_s),
        "pool": limits.left(limits.connect_s),
    }
    return client.build_request(
        message.method,
        message.url,
        headers=message.headers,
        content=message.body,
        extensions={"timeout": timeouts},
    )


def _answer(response: Any) -> ClientAnswer:
    headers: Headers = list(response.headers.raw)
    if response.is_stream_consumed:  # a mock, or a hook of the caller's: decoded already
        headers = [header for header in headers if header[0].lower() != b"content-encoding"]
    return ClientAnswer(response.status_code, headers)


def _shut(response: Any) -> None:
    import socket

    stream = None if response is None else response.extensions.get("network_stream")
    sock = None if stream is None else stream.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


class _Current(threading.local):
    """The limits of the exchange this thread is in."""

    limits: Limits | None = None


_current = _Current()


@contextlib.contextmanager
def _within(limits: Limits) -> Generator[None]:
    _current.limits = limits
    try:
        yield
    finally:
        _current.limits = None


def _clamping(trace: Trace | None) -> Trace:
    """Return a trace that clamps each new stream before it does what ``trace`` does."""

    def clamp(event: str, info: dict[str, Any]) -> None:
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            _clamp(info["return_value"])
        if trace is not None:
            trace(event, info)

    return clamp


def _clamp(stream: Any) -> None:
    """Make a blocking stream of httpcore ask the limits before each read and write.

    A timeout of httpcore is per read, so a server that dribbles its headers would hold us for
    hours; the client offers no other way to its streams than this.
    """
    if getattr(stream.read, "asks_limits", False):
        return
    plain_read, plain_write = stream.read, stream.write

    def read(max_bytes: int, timeout: float | None = None) -> bytes:
        limits = _current.limits
        left_s = timeout if limits is None else limits.left(limits.read_s)
        data: bytes = plain_read(max_bytes, left_s)
        return data

    def write(buffer: bytes, timeout: float | None = None) -> None:
        limits = _current.limits
        for start in range(0, len(buffer), _PIECE):
            left_s = timeout if limits is None else limits.left(limits.write_s)
            plain_write(buffer[start : start + _PIECE], left_s)

    read.asks_limits = True  # type: ignore[attr-defined]
    with contextlib.suppress(AttributeError):  # a stream with slots keeps its own timeouts
        stream.read, stream.write = read, write
