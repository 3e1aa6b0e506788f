"""Two doors to one local server: the genuine SDK, and ours in its place."""

from __future__ import annotations

import importlib
import socket
from typing import TYPE_CHECKING, Any

import pytest
from tests.drop_in.doors import DOORS, Door
from tests.drop_in.wire import Wire
from tests.support.served import PEM

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _small_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    """No case speaks TLS: loading every authority would cost each client thirty milliseconds."""
    monkeypatch.setenv("SSL_CERT_FILE", PEM)


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A server of this test's own."""
    with Wire() as server:
        yield server


@pytest.fixture(params=sorted(DOORS))
def door(request: pytest.FixtureRequest, wire: Wire) -> Iterator[Door]:
    """Each door in turn: a case that takes it must pass through both."""
    opened = Door(request.param, importlib.import_module(DOORS[request.param]), wire)
    yield opened
    opened.close()


@pytest.fixture
def doors(wire: Wire) -> Iterator[dict[str, Door]]:
    """Both doors at once, by name, for a case that compares them."""
    opened = {name: Door(name, importlib.import_module(path), wire) for name, path in DOORS.items()}
    yield opened
    for one in opened.values():
        one.close()


@pytest.fixture
def client(door: Door) -> Any:
    """A synchronous client with no options of its own."""
    return door.sync()


@pytest.fixture
def nowhere() -> Iterator[str]:
    """A base URL where nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}/v1"
