"""M11 for the SDK's clients: whatever reaches a provider was held before and is a row after.

The resources of the genuine client are enumerated, so that each either is asked here or goes the
one way of all that is passed on.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import openai
import pytest
from tests.support.faces import HELLO

from trunkline._api.routes import ANSWERED
from trunkline.openai import OpenAI

if TYPE_CHECKING:
    from tests.openai_clients.conftest import Noted

JSON = {"content-type": "application/json"}
VECTORS = (
    b'{"object":"list","model":"m","data":[{"object":"embedding","index":0,"embedding":[0.5]}],'
    b'"usage":{"prompt_tokens":1,"total_tokens":1}}'
)
HELD = "SELECT count(*) FROM hold WHERE state = 'reserved'"
REACH: dict[str, Any] = {
    "/chat/completions": lambda c: c.chat.completions.create(model="gpt-4o-mini", messages=HELLO),
    "/completions": lambda c: c.completions.create(model="gpt-4o-mini", prompt="x"),
    "/responses": lambda c: c.responses.create(model="gpt-4o-mini", input="x"),
    "/embeddings": lambda c: c.embeddings.create(model="text-embedding-3-small", input="x"),
    "passed on": lambda c: c.moderations.create(input="x"),
}
REACHES_NOBODY = {"/models"}  # but for servers at an address of their own: a list is a call too


def test_every_path_that_is_answered_is_tried_here() -> None:
    assert {path for _, path in ANSWERED} == {*REACH, *REACHES_NOBODY} - {"passed on"}


@pytest.mark.parametrize("path", REACH)
def test_what_reaches_a_provider_holds_before_and_settles_after(noted: Noted, path: str) -> None:
    client = OpenAI(api_key="sk-x")
    noted.answers = {
        "/embeddings": (200, JSON, VECTORS),
        "/moderations": (200, JSON, b'{"id":"m","model":"m","results":[]}'),
    }
    held: list[int] = []
    database = client.router._engine.database
    noted.on_request = lambda: held.append(database.read(lambda c: c.execute(HELD).fetchone()[0]))

    REACH[path](client)

    assert held == [1]
    assert len(client.router.budgets.holds()) == 0
    (record,) = client.router.usage.records()
    assert record.provider == "openai"


def test_every_resource_of_the_sdk_goes_through_our_transport() -> None:
    """Each sends by ``client.request``, which sends by the HTTP client that is ours."""
    client = OpenAI(api_key="sk-x")
    names = [n for n, v in vars(openai.OpenAI).items() if isinstance(v, cached_property)]
    names = [n for n in names if not n.startswith("with_")]  # they wrap the client itself

    assert {"chat", "files", "images", "responses", "realtime"} <= set(names)
    for name in names:
        assert getattr(client, name)._client is client
    assert type(client._client._transport).__module__ == "trunkline.openai._transports"
