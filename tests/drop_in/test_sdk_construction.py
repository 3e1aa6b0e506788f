"""Constructor arguments and environment variables mean what the SDK says they mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai
import pytest
from tests.drop_in.doors import ASK, CLOUDS, KEY, TEXT

if TYPE_CHECKING:
    from tests.drop_in.doors import Door


@pytest.mark.surface("constructor")
def test_clients_are_instances_of_the_installed_classes(door: Door) -> None:
    assert isinstance(door.sync(), openai.OpenAI)
    assert issubclass(door.openai.AsyncOpenAI, openai.AsyncOpenAI)
    assert door.openai.Client is door.openai.OpenAI
    assert door.openai.AsyncClient is door.openai.AsyncOpenAI


def test_every_public_name_of_the_module_is_there(door: Door) -> None:
    missing = {name for name in openai.__all__ if not hasattr(door.openai, name)}

    assert missing <= set(CLOUDS)


def test_error_classes_are_the_installed_ones(door: Door) -> None:
    names = [name for name in openai.__all__ if name.endswith("Error")]

    assert len(names) > 10
    assert all(getattr(door.openai, name) is getattr(openai, name) for name in names)


@pytest.mark.surface("environment variables")
def test_missing_credentials_are_refused_at_construction(door: Door) -> None:
    with pytest.raises(openai.OpenAIError, match="OPENAI_API_KEY"):
        door.openai.OpenAI()
    with pytest.raises(openai.OpenAIError, match="OPENAI_API_KEY"):
        door.openai.AsyncOpenAI(base_url=door.wire.url)


def test_key_and_base_url_come_from_the_environment(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", door.wire.url)

    with door.openai.OpenAI() as client:
        answer = client.chat.completions.create(**ASK)

    assert client.api_key == "sk-environment"
    assert answer.choices[0].message.content == TEXT
    assert door.wire.last.headers["authorization"] == "Bearer sk-environment"


def test_organization_and_project_come_from_the_environment_and_are_sent(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-1")

    client = door.sync()
    client.chat.completions.create(**ASK)

    assert (client.organization, client.project) == ("org-1", "proj-1")
    assert door.wire.last.headers["openai-organization"] == "org-1"
    assert door.wire.last.headers["openai-project"] == "proj-1"


def test_arguments_win_over_the_environment(
    door: Door, monkeypatch: pytest.MonkeyPatch, nowhere: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", nowhere)
    monkeypatch.setenv("OPENAI_ORG_ID", "org-environment")

    client = door.sync(organization="org-argument")
    client.chat.completions.create(**ASK)

    assert door.wire.last.headers["authorization"] == f"Bearer {KEY}"
    assert door.wire.last.headers["openai-organization"] == "org-argument"


def test_custom_headers_come_from_the_environment(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "x-from-environment: yes")

    door.sync().chat.completions.create(**ASK)

    assert door.wire.last.headers["x-from-environment"] == "yes"


def test_a_callable_key_is_asked_for_each_request(door: Door) -> None:
    keys = iter(["sk-first", "sk-second"])
    client = door.sync(api_key=lambda: next(keys))

    client.chat.completions.create(**ASK)
    client.chat.completions.create(**ASK)

    sent = [request.headers["authorization"] for request in door.wire.requests]
    assert sent == ["Bearer sk-first", "Bearer sk-second"]


async def test_an_async_callable_key_is_awaited(door: Door) -> None:
    async def key() -> str:
        return "sk-awaited"

    async with door.asynchronous(api_key=key) as client:
        await client.chat.completions.create(**ASK)

    assert door.wire.last.headers["authorization"] == "Bearer sk-awaited"


def test_a_key_set_on_the_client_is_used_from_then_on(door: Door) -> None:
    client = door.sync()

    client.api_key = "sk-rotated"
    client.chat.completions.create(**ASK)

    assert door.wire.last.headers["authorization"] == "Bearer sk-rotated"


def test_default_headers_are_sent_and_may_replace_the_key(door: Door) -> None:
    client = door.sync(default_headers={"X-Team": "blue", "Authorization": "Bearer mine"})

    client.chat.completions.create(**ASK)

    assert door.wire.last.headers["x-team"] == "blue"
    assert door.wire.last.headers["authorization"] == "Bearer mine"


def test_default_query_is_sent(door: Door) -> None:
    client = door.sync(default_query={"api-version": "2", "flag": True})

    client.chat.completions.create(**ASK)

    assert door.wire.last.query == {"api-version": ["2"], "flag": ["true"]}


@pytest.mark.parametrize("ending", ["", "/"])
def test_a_base_url_may_end_in_a_slash(door: Door, ending: str) -> None:
    client = door.sync(base_url=door.wire.url + ending)

    client.chat.completions.create(**ASK)

    assert str(client.base_url) == f"{door.wire.url}/"
    assert door.wire.last.path == "/v1/chat/completions"


def test_a_base_url_may_have_any_path(door: Door) -> None:
    client = door.sync(base_url=f"{door.wire.origin}/proxy/openai/v1", max_retries=0)

    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(**ASK)

    assert door.wire.last.path == "/proxy/openai/v1/chat/completions"


def test_a_base_url_may_be_set_later(door: Door, nowhere: str) -> None:
    client = door.sync(base_url=nowhere)

    client.base_url = door.wire.url
    answer = client.chat.completions.create(**ASK)

    assert answer.choices[0].message.content == TEXT


def test_defaults_are_two_retries_and_ten_minutes(door: Door) -> None:
    client = door.sync()

    assert client.max_retries == openai.DEFAULT_MAX_RETRIES == 2
    assert client.timeout == openai.DEFAULT_TIMEOUT


def test_max_retries_none_is_refused(door: Door) -> None:
    with pytest.raises(TypeError, match="max_retries"):
        door.sync(max_retries=None)


def test_arguments_are_named_and_known(door: Door) -> None:
    with pytest.raises(TypeError):
        door.openai.OpenAI(KEY)
    with pytest.raises(TypeError, match="no_such_option"):
        door.sync(no_such_option=1)


def test_an_http_client_of_another_kind_is_refused(door: Door) -> None:
    with pytest.raises(TypeError, match="http_client"):
        door.sync(http_client=openai.DefaultAsyncHttpxClient())


@pytest.mark.surface("http_client")
def test_an_http_client_of_ones_own_carries_the_requests(door: Door) -> None:
    seen: list[Any] = []
    hooks = {"request": [lambda request: seen.append(request.url.path)]}
    client = door.sync(http_client=openai.DefaultHttpxClient(event_hooks=hooks))

    answer = client.chat.completions.create(**ASK)

    assert answer.choices[0].message.content == TEXT
    assert seen == ["/v1/chat/completions"]


async def test_an_async_http_client_of_ones_own_carries_the_requests(door: Door) -> None:
    seen: list[Any] = []

    async def hook(request: Any) -> None:
        seen.append(request.url.path)

    own = openai.DefaultAsyncHttpxClient(event_hooks={"request": [hook]})
    async with door.asynchronous(http_client=own) as client:
        answer = await client.chat.completions.create(**ASK)

    assert answer.choices[0].message.content == TEXT
    assert seen == ["/v1/chat/completions"]


@pytest.mark.surface("module-level client")
def test_the_module_itself_is_a_client(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door.openai, "api_key", "sk-module")
    monkeypatch.setattr(door.openai, "base_url", f"{door.wire.url}/")
    monkeypatch.setattr(door.openai, "default_headers", {"x-module": "yes"})
    monkeypatch.setattr(openai, "_client", None)  # the genuine module keeps it once it is made

    answer = door.openai.chat.completions.create(**ASK)

    assert answer.choices[0].message.content == TEXT
    assert door.wire.last.headers["authorization"] == "Bearer sk-module"
    assert door.wire.last.headers["x-module"] == "yes"
