from __future__ import annotations

import pytest

from trunkline.catalog.models import Deployment, Model
from trunkline.catalog.resolve import ProviderInfo, Resolution, place, resolve
from trunkline.catalog.table import Catalog
from trunkline.errors import ConfigurationError, NotFoundError

CATALOG = Catalog.bundled()
ALL = {section: ProviderInfo(section) for section in CATALOG.sections}


def meant(name: str, *providers: str, **more: object) -> Resolution:
    chosen = {p: ALL[p] for p in providers} if providers else ALL
    return resolve(name, providers=chosen, catalog=CATALOG, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "deployment", "priced"),
    [
        ("gpt-4o", "openai/gpt-4o", True),
        ("gpt-3.5-turbo", "openai/gpt-3.5-turbo", True),
        ("claude-3-5-sonnet", "anthropic/claude-3-5-sonnet-20241022", True),
        ("claude-3-haiku", "anthropic/claude-3-haiku-20240307", True),
        ("gemini-1.5-pro", "google/gemini-1.5-pro", True),
        ("gemini-1.5-flash", "google/gemini-1.5-flash", True),
        ("command-r", "cohere/command-r-08-2024", True),
        ("command-r-plus", "cohere/command-r-plus-08-2024", True),
        ("Llama-2-70b", "huggingface/meta-llama/Llama-2-70b-chat-hf", False),
        ("DialoGPT", "huggingface/microsoft/DialoGPT-medium", False),
        ("llama3.2:3b", "ollama/llama3.2:3b", True),
        ("mistral:7b", "ollama/mistral:7b", True),
    ],
)
def test_the_models_of_2025_resolve(name: str, deployment: str, priced: bool) -> None:
    found = meant(name).deployment

    assert found.id == deployment
    assert (found.model.prices is not None) is priced


@pytest.mark.parametrize(
    ("name", "provider"),
    [
        ("gpt-6.1-sol", "openai"),
        ("gpt-6-luna", "openai"),
        ("gpt-5.6-terra", "openai"),
        ("gpt-6-astra", "openai"),
        ("gpt-4.1", "openai"),
        ("text-embedding-3-small", "openai"),
        ("claude-opus-5-5", "anthropic"),
        ("claude-sonnet-5-5", "anthropic"),
        ("claude-haiku-5-5", "anthropic"),
        ("claude-fable-5-2", "anthropic"),
        ("gemini-4-argon", "google"),
        ("gemini-3.8-flash", "google"),
        ("gemini-2.5-flash", "google"),
        ("gemini-embedding-001", "google"),
        ("command-a-03-2025", "cohere"),
        ("command-r7b", "cohere"),
        ("embed-v4.0", "cohere"),
        ("deepseek-ai/DeepSeek-V4-Pro", "huggingface"),
        ("MiniMaxAI/MiniMax-M3", "huggingface"),
        ("Qwen/Qwen3.8-27B", "huggingface"),
        ("qwen3", "ollama"),
        ("gemma4", "ollama"),
        ("gpt-oss", "ollama"),
    ],
)
def test_current_models_resolve_with_a_price(name: str, provider: str) -> None:
    found = meant(name)

    assert found.deployment.provider == provider
    assert found.deployment.model.prices is not None
    assert found.reason.startswith("catalogue")


def test_a_provider_before_the_slash_is_meant() -> None:
    found = meant("openai/gpt-4o-2024-11-20")

    assert found.deployment.id == "openai/gpt-4o-2024-11-20"
    assert found.deployment.model.prices is not None
    assert found.reason == "provider named, catalogue"


def test_the_slash_of_a_hub_id_is_no_provider() -> None:
    assert meant("Qwen/Qwen3-8B:nscale").deployment.id == "huggingface/Qwen/Qwen3-8B:nscale"
    assert meant("openai/gpt-oss-20b", "huggingface").deployment.provider == "huggingface"
    assert meant("huggingface/openai/gpt-oss-20b").deployment.model.id == "openai/gpt-oss-20b"


def test_a_named_provider_is_sent_what_the_table_lacks() -> None:
    found = meant("openai/gpt-99")

    assert found.deployment == Deployment("openai", Model("gpt-99"))
    assert found.reason == "provider named, not in the catalogue"


def test_a_local_model_is_free_whatever_its_name() -> None:
    for name in ("ollama/my-own", "phi4:14b"):
        prices = meant(name).deployment.model.prices
        assert prices is not None
        assert prices.is_free
    assert meant("my-own", "ollama").deployment.model.prices is not None


def test_what_the_caller_added_wins_and_the_latest_of_two() -> None:
    mine = [
        Deployment("openai", Model("gpt-4o", input_usd_per_m=price, output_usd_per_m=price))
        for price in ("1", "2")
    ]

    by_model, by_id = (meant(name, added=mine) for name in ("gpt-4o", "openai/gpt-4o"))

    assert by_model.deployment is by_id.deployment is mine[1]
    assert by_model.reason == "added by the caller"


def test_what_a_provider_declares_comes_before_the_catalogue() -> None:
    declared = Model("gpt-4o", input_usd_per_m=9, output_usd_per_m=9)
    providers = {"mine": ProviderInfo(None, [Model("x"), declared]), "openai": ALL["openai"]}

    for name in ("gpt-4o", "mine/gpt-4o"):
        found = resolve(name, providers=providers, catalog=CATALOG)
        assert found.deployment == Deployment("mine", declared)
        assert found.reason.endswith("declared by mine")


def test_of_two_providers_of_a_section_the_first_is_asked() -> None:
    providers = {"eu": ALL["openai"], "us": ALL["openai"]}

    assert resolve("gpt-4o", providers=providers, catalog=CATALOG).deployment.provider == "eu"
    assert resolve("us/gpt-4o", providers=providers, catalog=CATALOG).deployment.provider == "us"


@pytest.mark.parametrize(
    ("name", "provider"),
    [
        ("gpt-99", "openai"),
        ("o9-mini", "openai"),
        ("ft:gpt-4o-mini-2024-07-18:org::id", "openai"),
        ("claude-next", "anthropic"),
        ("gemini-9", "google"),
        ("command-z", "cohere"),
        ("some-org/some-model", "huggingface"),
        ("gemma:2b", "ollama"),
    ],
)
def test_a_name_like_a_family_goes_to_its_provider_without_a_guessed_price(
    name: str, provider: str
) -> None:
    found = meant(name)

    assert found.deployment.id == f"{provider}/{name}"
    assert (found.deployment.model.prices is None) is (provider != "ollama")
    assert found.reason == f"named like a model of {provider}"


def test_the_only_provider_takes_any_name_literally_and_without_a_price() -> None:
    gateway = {"gateway": ProviderInfo(None)}

    for name in ("claude-opus-5-5", "anthropic/claude-opus-5-5", "house-model"):
        found = resolve(name, providers=gateway, catalog=CATALOG)
        assert found.deployment == Deployment("gateway", Model(name))
        assert found.reason == "gateway is the only provider"


def test_an_unknown_name_among_several_providers_is_refused_with_near_names() -> None:
    with pytest.raises(NotFoundError, match="near names: gpt-4o") as caught:
        meant("gtp-4o")

    assert caught.value.sent is False
    assert caught.value.code == "model_not_found"


def test_near_names_include_what_was_added_and_declared() -> None:
    providers = {"a": ProviderInfo(None, [Model("house-large")]), "b": ProviderInfo(None)}
    added = [Deployment("b", Model("house-small"))]

    with pytest.raises(NotFoundError, match=r"house-(large|small), house-(large|small)"):
        resolve("house-smal", providers=providers, added=added, catalog=CATALOG)


def test_a_name_like_nothing_gets_no_near_names() -> None:
    with pytest.raises(NotFoundError) as caught:
        meant("zzzzzzzzzzzz")

    assert "near" not in caught.value.message


@pytest.mark.parametrize("name", ["claude-opus-5-5", "anthropic/claude-opus-5-5"])
def test_a_model_of_a_provider_that_is_not_configured_says_so(name: str) -> None:
    with pytest.raises(ConfigurationError, match="belongs to anthropic, which is not configured"):
        meant(name, "openai", "cohere")


def test_without_a_provider_the_way_out_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"OPENAI_API_KEY.*EchoProvider"):
        resolve("gpt-4o", providers={}, catalog=CATALOG)


@pytest.mark.parametrize("name", ["openai/../x", "openai/-x", "a b"])
def test_a_name_no_provider_could_take_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="no model name"):
        meant(name)


def test_a_name_that_ends_in_a_slash_names_no_model() -> None:
    with pytest.raises(NotFoundError):
        meant("openai/")


def test_a_price_announced_to_change_is_resolved_by_day() -> None:
    before, after = (
        meant("gemini-4-argon", on=day).deployment.model.prices
        for day in ("2026-11-30", "2026-12-01")
    )

    assert before != after


def test_a_model_of_the_callers_keeps_his_figures_and_takes_the_rest_from_the_table() -> None:
    mine = Model("gpt-4o", input_usd_per_m=1, output_usd_per_m=2, supports=[], quality=0.1)

    placed = place(mine, providers=ALL, catalog=CATALOG)

    known = CATALOG.get("openai", "gpt-4o")
    assert known is not None
    assert placed.id == "openai/gpt-4o"
    assert placed.model.prices == mine.prices
    assert placed.model.supports == frozenset()
    assert placed.model.quality == 0.1
    assert placed.model.max_output == known.max_output


def test_a_bare_model_is_the_catalogues() -> None:
    placed = place(Model("openai/gpt-4o"), providers=ALL, catalog=CATALOG)

    assert placed.model == CATALOG.get("openai", "gpt-4o")


def test_a_provider_with_a_closed_list_offers_near_names_for_a_misspelt_one() -> None:
    closed = {"echo": ProviderInfo(section=None, models=(Model("echo"),), is_closed=True)}

    with pytest.raises(NotFoundError, match="near names: echo"):
        resolve("ecko", providers=closed, catalog=Catalog.bundled())
    with pytest.raises(NotFoundError):
        resolve("echo/ecko", providers=closed, catalog=Catalog.bundled())
    assert place(Model("echo/new"), providers=closed, catalog=Catalog.bundled()).id == "echo/new"
