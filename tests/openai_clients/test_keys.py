"""Whose key goes where: code that knows one endpoint meets a Router that knows several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai
import pytest
from tests.support.faces import HELLO

from trunkline import Router
from trunkline.openai import OpenAI
from trunkline.providers import AnthropicProvider, OpenAIProvider

if TYPE_CHECKING:
    from tests.openai_clients.conftest import Noted

OPENAIS = "sk-openai-canary-1"
OTHER = "sk-openai-canary-2"
CLAUDES = "sk-ant-canary-3"


@pytest.fixture
def both(noted: Noted, monkeypatch: pytest.MonkeyPatch) -> Noted:
    monkeypatch.setenv("ANTHROPIC_API_KEY", CLAUDES)
    return noted


def ask(client: Any, model: str = "gpt-4o-mini", **params: Any) -> Any:
    return client.chat.completions.create(model=model, messages=HELLO, max_tokens=5, **params)


def test_the_clients_key_reaches_openai_alone(both: Noted) -> None:
    client = OpenAI(api_key=OPENAIS)

    ask(client)
    ask(client, "claude-sonnet-4-5")

    assert both.headers("openai")["authorization"] == f"Bearer {OPENAIS}"
    assert both.headers("anthropic")["x-api-key"] == CLAUDES
    assert OPENAIS not in both.all_text("anthropic")
    assert CLAUDES not in both.all_text("openai")


def test_headers_organization_and_query_of_the_client_reach_openai_alone(both: Noted) -> None:
    client = OpenAI(
        api_key=OPENAIS,
        organization="org-canary",
        project="proj-canary",
        default_headers={"x-gateway-token": "token-canary"},
        default_query={"tenant": "tenant-canary"},
    )

    ask(client)
    ask(client, "claude-sonnet-4-5")

    for canary in ("org-canary", "proj-canary", "token-canary", "tenant-canary"):
        assert canary in both.all_text("openai")
        assert canary not in both.all_text("anthropic")


def test_a_key_of_a_copy_is_openais_for_its_calls(both: Noted) -> None:
    client = OpenAI(api_key=OPENAIS)

    ask(client.with_options(api_key=OTHER))
    assert both.headers("openai")["authorization"] == f"Bearer {OTHER}"

    ask(client.with_options(api_key=OTHER), "claude-sonnet-4-5")
    ask(client)
    assert both.headers("openai")["authorization"] == f"Bearer {OPENAIS}"
    assert OTHER not in both.all_text("anthropic")


def test_a_key_made_by_a_function_is_asked_for_each_call(both: Noted) -> None:
    made = iter(["sk-first-canary", "sk-second-canary"])
    client = OpenAI(api_key=lambda: next(made))

    for key in ("sk-first-canary", "sk-second-canary"):
        ask(client)
        assert both.headers("openai")["authorization"] == f"Bearer {key}"


def test_with_a_router_handed_in_its_own_keys_are_used(
    both: Noted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", OTHER)
    router = Router(providers=[OpenAIProvider(api_key=OPENAIS), AnthropicProvider()])

    ask(OpenAI(router=router))
    ask(OpenAI(router=router, api_key="whatever"))

    sent = [dict(r.headers)["authorization"] for r in both.requests["openai"]]
    assert sent == [f"Bearer {OPENAIS}"] * 2


def test_no_key_is_needed_where_another_provider_has_one(both: Noted) -> None:
    client = OpenAI()

    answer = ask(client, "claude-sonnet-4-5")

    assert answer.choices[0].message.content == "claude says"
    assert "openai" not in both.requests


def test_without_any_provider_credentials_are_missing_as_in_the_sdk() -> None:
    with pytest.raises(openai.OpenAIError, match="Missing credentials"):
        OpenAI()


def test_an_explicit_base_url_is_the_only_one_asked(both: Noted) -> None:
    client = OpenAI(base_url="http://vllm:8000/v1", api_key=OPENAIS)

    ask(client, "claude-sonnet-4-5")  # that server's model of this name

    assert both.requests["openai"][-1].url == "http://vllm:8000/v1/chat/completions"
    assert "anthropic" not in both.requests


def test_a_copy_with_another_base_url_asks_there_under_the_same_budgets(both: Noted) -> None:
    client = OpenAI(api_key=OPENAIS)
    client.router.budgets.set("all", usd="0.01", per="day")
    elsewhere = client.with_options(base_url="https://eu.example.com/v1")

    ask(elsewhere)

    assert both.requests["openai"][-1].url == "https://eu.example.com/v1/chat/completions"
    (status,) = client.router.budgets.status("all")
    assert status.spent > 0
    with client.router.budget(usd="0.0000001"), pytest.raises(openai.APIStatusError) as caught:
        ask(elsewhere)
    assert caught.value.status_code == 402


def test_metadata_addresses_are_never_trusted(both: Noted) -> None:
    with pytest.raises(openai.OpenAIError, match=r"169\.254"):
        OpenAI(base_url="http://169.254.169.254/v1", api_key=OPENAIS)


@pytest.mark.parametrize(
    "options",
    [
        {"base_url": "https://x.example.com/v1"},
        {"organization": "org"},
        {"store": ":memory:"},
        {"team": "research"},
    ],
)
def test_what_a_router_has_already_is_refused_beside_it(options: dict[str, Any]) -> None:
    with pytest.raises(openai.OpenAIError, match="cannot be combined with `router`"):
        OpenAI(router=Router(providers=[OpenAIProvider(api_key=OPENAIS)]), **options)


def test_a_copy_for_an_endpoint_the_router_does_not_know_is_refused(both: Noted) -> None:
    client = OpenAI(router=Router(providers=[OpenAIProvider(api_key=OPENAIS)]))

    with pytest.raises(openai.OpenAIError, match="not known to the router"):
        ask(client.with_options(base_url="https://eu.example.com/v1"))

    assert both.requests == {}


def test_an_argument_nobody_has_is_named() -> None:
    with pytest.raises(TypeError, match="modles"):
        OpenAI(api_key=OPENAIS, modles=["gpt-4o"])
