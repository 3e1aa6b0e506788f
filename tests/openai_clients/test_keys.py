"""Whose key goes where: code that knows one endpoint meets a Router that knows several."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import openai
import pytest
from tests.support.faces import HELLO

from trunkline import Model, Router
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


def test_a_copy_with_a_base_url_asks_there_alone_like_a_client_made_with_it(both: Noted) -> None:
    elsewhere = OpenAI(api_key=OPENAIS).with_options(base_url="http://vllm:8000/v1")

    ask(elsewhere, "house-7b")
    ask(elsewhere, "claude-sonnet-4-5")

    assert "anthropic" not in both.requests


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


def test_an_argument_nobody_has_is_named() -> None:
    with pytest.raises(TypeError, match="modles"):
        OpenAI(api_key=OPENAIS, modles=["gpt-4o"])


@pytest.fixture
def groq(both: Noted) -> OpenAIProvider:
    return OpenAIProvider("groq", base_url="https://groq.example.com/v1", api_key="sk-groq-own-4")


@pytest.mark.parametrize(
    "changed",
    [
        {"api_key": OTHER},
        {"default_headers": {"Authorization": f"Bearer {OTHER}"}},
        {"default_headers": {"x-secret-token": OTHER}},
        {"organization": OTHER, "project": OTHER},
        {"default_query": {"tenant": OTHER}},
        {"base_url": "https://eu.example.com/v1", "api_key": OTHER},
    ],
)
def test_what_a_copy_carries_reaches_openai_and_no_namesake_of_its_kind(
    both: Noted, groq: OpenAIProvider, changed: dict[str, Any]
) -> None:
    client = OpenAI(api_key=OPENAIS, providers=[groq]).with_options(**changed)

    ask(client)
    ask(client, "groq/llama-3")

    assert OTHER in both.all_text("openai")
    assert OTHER not in both.all_text("groq")
    assert OPENAIS not in both.all_text("groq")
    assert both.headers("groq")["authorization"] == "Bearer sk-groq-own-4"


def test_a_key_made_by_a_function_or_set_later_is_openais_alone(
    both: Noted, groq: OpenAIProvider
) -> None:
    made = OpenAI(api_key=lambda: OTHER, providers=[groq])
    later = OpenAI(api_key=OPENAIS, providers=[groq])
    later.api_key = OTHER

    for client in (made, later):
        ask(client, "groq/llama-3")
        ask(client)
        assert both.headers("openai")["authorization"] == f"Bearer {OTHER}"

    assert OTHER not in both.all_text("groq")


def test_the_key_of_one_call_is_openais_alone(both: Noted, groq: OpenAIProvider) -> None:
    client = OpenAI(api_key=OPENAIS, providers=[groq])
    key = {"Authorization": f"Bearer {OTHER}"}

    ask(client, extra_headers=key)
    ask(client, "groq/llama-3", extra_headers=key)

    assert both.headers("openai")["authorization"] == f"Bearer {OTHER}"
    assert OTHER not in both.all_text("groq")


def test_a_list_of_models_is_asked_for_with_the_callers_key(both: Noted) -> None:
    listed = b'{"object":"list","data":[{"id":"house-7b","object":"model"}]}'
    both.answers = {"/models": (200, {"content-type": "application/json"}, listed)}
    client = OpenAI(api_key=lambda: OTHER, base_url="http://vllm:8000/v1")

    assert [m.id for m in client.models.list()] == ["house-7b"]
    assert both.headers("openai")["authorization"] == f"Bearer {OTHER}"


def test_no_stand_in_for_a_key_is_ever_sent(both: Noted, groq: OpenAIProvider) -> None:
    client = OpenAI(providers=[groq])

    ask(client, "groq/llama-3")
    ask(client.with_options(base_url="http://vllm:8000/v1"), "openai/house-7b")

    assert "authorization" not in both.headers("openai")
    assert "in-process" not in both.all_text("groq") + both.all_text("openai")


def test_a_header_that_was_taken_away_is_not_put_back(both: Noted) -> None:
    client = OpenAI(api_key=OPENAIS, base_url="http://vllm:8000/v1", default_headers={"x-a": "1"})

    ask(client, extra_headers={"Authorization": openai.Omit(), "x-a": openai.Omit()})

    assert {"authorization", "x-a"}.isdisjoint(both.headers("openai"))


def test_a_copy_of_a_client_with_a_router_keeps_to_that_routers_endpoints(both: Noted) -> None:
    client = OpenAI(router=Router(providers=[OpenAIProvider(api_key=OPENAIS)]))

    for changed in ({"api_key": OTHER}, {"default_headers": {"x-a": "1"}}, {"project": "p"}):
        with pytest.raises(openai.OpenAIError, match="cannot be changed"):
            client.with_options(**changed)

    client.base_url = "https://eu.example.com/v1"
    with pytest.raises(openai.OpenAIError, match="not known to the router"):
        ask(client)
    assert both.requests == {}


def test_a_view_keeps_its_team_by_another_way_to_the_network(both: Noted) -> None:
    import httpx

    client = OpenAI(api_key=OPENAIS, store=":memory:").with_options(team="research")
    client.router.budgets.set("team:research", usd="0.0000001")
    other = client.with_options(http_client=httpx.Client())

    with pytest.raises(openai.APIStatusError) as caught:
        ask(other)

    assert caught.value.status_code == 402
    assert other.router.budgets.status("team:research")[0].scope == "team:research"
    other.close()


def test_an_http_client_given_with_a_view_is_closed_with_that_copy(both: Noted) -> None:
    import httpx

    client, own = OpenAI(api_key=OPENAIS, store=":memory:"), httpx.Client()

    client.with_options(team="research", http_client=own).close()

    assert own.is_closed
    assert not client.is_closed()


def test_a_servers_own_names_of_models_are_sent_as_they_are(both: Noted) -> None:
    client = OpenAI(api_key=OPENAIS, base_url="https://openrouter.example.com/api/v1")

    for name in ("openai/gpt-4o", "anthropic/claude-sonnet-4-5", "auto-7b", "gpt-4o"):
        ask(client, name)
        assert f'"model":"{name}"'.encode() in both.requests["openai"][-1].body


def test_a_model_that_is_added_counts_for_copies_made_before(both: Noted) -> None:
    client = OpenAI(api_key=OPENAIS, store=":memory:")
    elsewhere = client.with_options(base_url="https://eu.example.com/v1")
    ask(elsewhere, "house-1")

    client.router.models.add(Model("openai/house-1", input_usd_per_m="1000", output_usd_per_m=0))
    ask(elsewhere, "house-1")

    costs = [record.cost_usd for record in client.router.usage.records()]
    assert costs == [Decimal("0.01"), 0]


def test_no_attribute_of_a_client_shows_a_key(both: Noted) -> None:
    client = OpenAI(api_key=OPENAIS)
    ask(client.with_options(api_key=OTHER))

    shown = "".join(repr(v) for v in (client._door, vars(client._door), vars(client.router)))

    assert OPENAIS not in shown
    assert OTHER not in shown
