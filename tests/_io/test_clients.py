"""Injected clients, proxies from the environment, and mocks that patch httpcore."""

from __future__ import annotations

import gzip
import time
from typing import TYPE_CHECKING, Any

import httpx
import httpx2
import pytest
import respx
from tests.support.hands import Hands
from tests.support.server import Close, Dribble, Pause, ScriptedServer, answer, chunked

from trunkline._io.body import read_all
from trunkline._io.protocol import Timeout
from trunkline.errors import APIConnectionError, APITimeoutError, ConfigurationError
from trunkline.providers.base import HttpRequest

if TYPE_CHECKING:
    from collections.abc import Callable


def request_to(url: str) -> HttpRequest:
    return HttpRequest("POST", url, (("authorization", "Bearer sk-x"),), b"{}")


async def fetch(io: Any, url: str, within_s: float | None = 5.0) -> tuple[int, bytes]:
    deadline = None if within_s is None else io.monotonic() + within_s
    source = await io.open(request_to(url), timeout=Timeout(5, 5, 5), deadline=deadline)
    return source.status, await read_all(source)


def client(hands: Hands, library: Any, **options: Any) -> Any:
    kind = library.Client if hands.way == "sync" else library.AsyncClient
    return kind(trust_env=False, **options)


def with_client(
    hands: Hands, library: Any, function: Callable[..., Any], *args: Any, **options: Any
) -> Any:
    """Run ``function`` with a client that is closed in the loop that used it."""

    async def main(io: Any) -> Any:
        made = io.pool.http_client = client(hands, library, **options)
        try:
            return await function(io, *args)
        finally:
            if hands.way == "sync":
                made.close()
            else:
                await made.aclose()

    return hands.run(main)


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_an_injected_client_carries_the_exchange(hands: Hands, library: Any) -> None:
    text = b"text " * 1000
    with ScriptedServer([[answer(gzip.compress(text), b"Content-Encoding: gzip")]]) as server:
        assert with_client(hands, library, fetch, server.url) == (200, text)

        seen = server.requests[0].headers
        assert seen["authorization"] == "Bearer sk-x"
        assert seen["accept-encoding"] == "gzip"
        assert seen["user-agent"].startswith("trunkline/")


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_a_mock_transport_of_an_injected_client_answers(hands: Hands, library: Any) -> None:
    body = gzip.compress(b"mocked")
    mock = library.MockTransport(
        lambda _: library.Response(200, content=body, headers={"content-encoding": "gzip"})
    )

    assert with_client(hands, library, fetch, "http://a/", transport=mock) == (200, b"mocked")


def test_an_injected_client_does_not_follow_redirects(hands: Hands) -> None:
    script = [answer(b"", b"Location: http://127.0.0.1:1/", status=b"302 Go")]
    with ScriptedServer([script]) as server:
        status, _ = with_client(hands, httpx, fetch, server.url, follow_redirects=True)

        assert status == 302


@pytest.mark.parametrize("library", [httpx, httpx2])
@pytest.mark.parametrize(
    "script",
    [
        [Pause(5)],
        [Dribble(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 500)],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", Dribble(b"x" * 500)],
    ],
    ids=["hang", "head", "body"],
)
def test_the_deadline_holds_for_injected_clients(hands: Hands, library: Any, script: Any) -> None:
    with ScriptedServer([script]) as server:
        began = time.monotonic()
        with pytest.raises(APITimeoutError):
            with_client(hands, library, fetch, server.url, 0.2)

        assert time.monotonic() - began < 0.7


def test_the_deadline_holds_on_a_kept_connection_of_an_injected_client(hands: Hands) -> None:
    async def twice(io: Any, url: str) -> float:
        await fetch(io, url)
        began = time.monotonic()
        with pytest.raises(APITimeoutError):
            await fetch(io, url, 0.2)
        return time.monotonic() - began

    slow = [Dribble(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 500)]
    with ScriptedServer([[answer(b"ok")], slow]) as server:
        assert with_client(hands, httpx, twice, server.url) < 0.7
        assert server.connections == 1


@pytest.mark.parametrize("script", [[Close], [answer(b"12345")[:-1], Close]])
def test_failures_of_an_injected_client_are_typed(hands: Hands, script: Any) -> None:
    with ScriptedServer([script]) as server:
        with pytest.raises(APIConnectionError) as caught:
            with_client(hands, httpx, fetch, server.url)

        assert caught.value.sent
        assert caught.value.__cause__ is None


def test_a_client_that_cannot_connect_has_sent_nothing(hands: Hands) -> None:
    with ScriptedServer([[]]) as server:
        url = server.url
    with pytest.raises(APIConnectionError, match=r"no connection to 127\.0\.0\.1") as caught:
        with_client(hands, httpx, fetch, url)

    assert not caught.value.sent


# httpx reads through async generators, and trio tells of each that is left half-read.
@pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")
def test_leaving_an_injected_clients_answer_cuts_it(hands: Hands) -> None:
    async def leave(io: Any, server: ScriptedServer) -> bool:
        for how in ("close", "abort", "drop"):
            source = await io.open(request_to(server.url), timeout=Timeout(), deadline=None)
            await source.read()
            if how == "close":
                await source.close()
            elif how == "abort":
                source.abort()
            else:
                del source
        await io.sleep(0.01)
        return server.wait_closed()

    with ScriptedServer([[chunked(b"one", end=False), Pause(5)]]) as server:
        assert with_client(hands, httpx, leave, server)


def test_a_client_of_the_other_kind_is_refused(hands: Hands) -> None:
    other = httpx.AsyncClient() if hands.way == "sync" else httpx.Client()
    hands.pool.http_client = other

    with pytest.raises(ConfigurationError, match="http_client must be an httpx"):
        hands.run(fetch, "http://a/")


def test_a_proxy_of_the_environment_is_used(hands: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer([[answer(b"by proxy", b"Set-Cookie: a=b")]]) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"127.0.0.1:{proxy.port}")

        async def twice(io: Any) -> Any:
            await fetch(io, "http://nowhere.invalid/v1")
            return await fetch(io, "http://nowhere.invalid/v1")

        assert hands.run(twice) == (200, b"by proxy")
        hands.pool.close()
        assert proxy.wait_closed()  # asyncio and trio close theirs as they end
        assert proxy.requests[0].line.startswith("POST http://nowhere.invalid/v1 ")
        assert "cookie" not in proxy.requests[1].headers


def test_no_proxy_is_honoured(hands: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ScriptedServer([[answer(b"direct")]]) as server:
        assert hands.run(fetch, server.url) == (200, b"direct")


def test_a_proxy_that_makes_no_sense_is_named(
    hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "gopher://127.0.0.1:1")
    with pytest.raises(ConfigurationError, match="proxy in the environment"):
        hands.run(fetch, "http://nowhere.invalid/")


def test_a_proxy_for_another_scheme_is_not_used(
    hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    with ScriptedServer([[answer(b"direct")]]) as server:
        assert hands.run(fetch, server.url) == (200, b"direct")


def test_respx_in_its_default_mode_answers(hands: Hands) -> None:
    with respx.mock:
        route = respx.post("http://nowhere.invalid/v1").respond(200, json={"a": 1})

        assert hands.run(fetch, "http://nowhere.invalid/v1") == (200, b'{"a":1}')
        assert route.calls.last.request.headers["authorization"] == "Bearer sk-x"
        assert route.calls.last.request.content == b"{}"


def test_what_respx_raises_is_typed(hands: Hands) -> None:
    with respx.mock:
        respx.post("http://nowhere.invalid/v1").mock(side_effect=httpx.ConnectError("no"))
        with pytest.raises(APIConnectionError) as caught:
            hands.run(fetch, "http://nowhere.invalid/v1")

    assert not caught.value.sent
