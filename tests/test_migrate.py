"""docs/migrate.md keeps its word: what it says to write now prints what was printed before.

The befores of other libraries run where these are installed: ``tests/downstream``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from tests.downstream.libraries import LIBRARIES
from tests.support import migrating
from tests.support.migrating import (
    PAGE,
    SOURCES,
    Block,
    Providers,
    before_of,
    blocks,
    providers_at_hand,
    said_by,
)

import trunkline
from trunkline import Router, TrunklineError
from trunkline.openai import OpenAI
from trunkline.providers import CohereProvider, GoogleProvider, HuggingFaceProvider

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEXT = PAGE.read_text(encoding="utf-8")
HELLO: list[Any] = [{"role": "user", "content": "Hi"}]
AFTER = [block for block in blocks() if block.role == "after"]


@pytest.fixture
def providers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Providers]:
    yield from providers_at_hand(monkeypatch, tmp_path)


@pytest.mark.parametrize("block", AFTER, ids=str)
def test_what_is_written_now_runs(block: Block, providers: Providers) -> None:
    providers.serve(block.pair)

    said = said_by(block)

    assert said.strip()
    if block.library == "openai":
        assert said == said_by(before_of(block.pair))


def test_every_block_is_one_of_a_pair_and_is_run_somewhere() -> None:
    roles: dict[str, list[str]] = {}
    for block in blocks():
        roles.setdefault(block.pair, []).append(block.role)

    assert TEXT.count("```python") == len(blocks())
    assert [p for p, found in roles.items() if found.count("before") != 1] == []
    assert [p for p, found in roles.items() if "after" not in found] == []
    assert len({str(block) for block in blocks()}) == len(blocks())
    assert {block.library for block in blocks()} == set(SOURCES)
    tried = {row.test_file for row in LIBRARIES.values()}
    assert {"test_migrate_litellm.py", "test_migrate_any_llm.py"} <= tried


def test_every_model_out_of_order_is_so_for_a_pair() -> None:
    assert set(migrating.OUT_OF_ORDER) <= {block.pair for block in blocks()}


@pytest.mark.parametrize("fence", ["```python", '```python {id="openai-chat"}'])
def test_a_block_of_no_pair_is_found(fence: str) -> None:
    with pytest.raises(ValueError, match="is of no pair"):
        blocks(f"{fence}\nprint()\n```\n")


@pytest.mark.parametrize(
    ("before", "after"), [pair for source in SOURCES[1:] for pair in migrating.errors_of(source)]
)
def test_every_error_named_is_ours(before: str, after: str) -> None:
    assert issubclass(getattr(trunkline, after), TrunklineError), before


def test_the_names_of_models_lead_where_the_page_says(providers: Providers) -> None:
    named = re.findall(r"^\| `(?:gemini|cohere_chat|ollama_chat|huggingface)/\S+` \| `(\S+)` \|$",
                       TEXT, re.MULTILINE)  # fmt: skip
    others = [kind(api_key="k") for kind in (GoogleProvider, CohereProvider, HuggingFaceProvider)]

    with Router(providers=others, store=":memory:") as router:
        owners = [router.models.resolve(n).owned_by for n in named if not n.startswith("ollama")]

    assert len(named) == 4
    assert owners == ["google", "cohere", "huggingface"]
    assert Router().models.resolve("ollama/llama3.2").owned_by == "ollama"


def test_a_base_url_of_the_environment_is_one_of_many_to_a_router_alone(
    providers: Providers,
) -> None:
    assert "providers: openai, anthropic;" in repr(Router())
    assert "providers: openai;" in repr(OpenAI().router)


@pytest.mark.parametrize("name", ["openai/gpt-oss-20b", "anthropic/claude-haiku-4-5", "qwen3"])
def test_an_endpoint_alone_is_sent_every_name_as_it_stands(providers: Providers, name: str) -> None:
    with OpenAI(base_url=providers.url) as client:
        client.chat.completions.create(model=name, messages=HELLO)

    assert providers.last.json["model"] == name


def test_a_router_takes_the_first_step_of_a_name_for_the_provider(providers: Providers) -> None:
    with Router(base_url=providers.url) as router:
        router.chat.completions.create(model="openai/openai/gpt-oss-20b", messages=HELLO)

    assert providers.last.json["model"] == "openai/gpt-oss-20b"


def test_anthropic_is_told_the_maximum_that_the_page_names(providers: Providers) -> None:
    with Router() as router:
        router.chat.completions.create(model="anthropic/claude-haiku-4-5", messages=HELLO)

    assert f"{providers.last.json['max_tokens']} tokens are set aside" in TEXT


def test_every_linked_file_is_there() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", TEXT)

    assert links
    assert all((PAGE.parent / link).exists() for link in links)
