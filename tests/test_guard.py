"""The guard of the test suite itself: it must catch what it is there for."""

from __future__ import annotations

import os
import socket

import pytest


@pytest.mark.parametrize("address", [("192.0.2.1", 443), ("169.254.169.254", 80)])
@pytest.mark.parametrize("method", ["connect", "connect_ex"])
def test_a_connection_past_loopback_fails_the_test(address: tuple[str, int], method: str) -> None:
    with (
        socket.socket() as one,
        pytest.raises(pytest.fail.Exception, match="reached for the network"),
    ):
        getattr(one, method)(address)


def test_a_lookup_of_a_real_name_fails_the_test() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"api\.openai\.com"):
        socket.create_connection(("api.openai.com", 443), timeout=1)


def test_a_reserved_name_does_not_exist_as_it_should() -> None:
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo(b"nowhere.invalid", 443)


def test_loopback_is_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for host in ("127.0.0.1", "localhost"):
            socket.create_connection((host, port), timeout=1).close()


def test_no_key_endpoint_or_proxy_of_the_developer_is_seen() -> None:
    assert not [name for name in os.environ if name.endswith(("_API_KEY", "_BASE_URL", "_PROXY"))]
    assert "pytest" in os.environ["TRUNKLINE_STORE"]
    assert not os.path.exists(os.environ["TRUNKLINE_STORE"])
