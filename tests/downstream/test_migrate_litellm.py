"""docs/migrate.md, from LiteLLM: what was printed before is printed after."""

from __future__ import annotations

from typing import TYPE_CHECKING

import litellm.exceptions
import openai
import pytest
from tests.support.migrating import (
    Block,
    Providers,
    before_of,
    blocks,
    errors_of,
    providers_at_hand,
    said_by,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The library is not written for the newest pydantic.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Items? .* on TypedDict class:UserWarning"),
    pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning"),
]

AFTER = [block for block in blocks() if (block.library, block.role) == ("litellm", "after")]


@pytest.fixture
def providers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Providers]:
    yield from providers_at_hand(monkeypatch, tmp_path)


@pytest.mark.parametrize("block", AFTER, ids=str)
def test_what_was_printed_before_is_printed_now(block: Block, providers: Providers) -> None:
    providers.serve(block.pair)

    before = said_by(before_of(block.pair))

    assert before.strip()
    assert said_by(block) == before


@pytest.mark.parametrize("name", [before for before, _ in errors_of("litellm")])
def test_every_error_named_is_one_of_its(name: str) -> None:
    kind = getattr(litellm.exceptions, name)

    assert issubclass(kind, Exception)
    assert issubclass(kind, openai.OpenAIError) is (name != "BudgetExceededError")


def test_anthropic_is_told_a_greater_maximum_than_ours(providers: Providers) -> None:
    litellm.completion(
        model="anthropic/claude-haiku-4-5", messages=[{"role": "user", "content": "Hi"}]
    )

    assert providers.last.json["max_tokens"] > 8192
