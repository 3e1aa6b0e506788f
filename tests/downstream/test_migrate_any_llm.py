"""docs/migrate.md, from any-llm: what was printed before is printed after."""

from __future__ import annotations

from typing import TYPE_CHECKING

import any_llm.exceptions
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

AFTER = [block for block in blocks() if (block.library, block.role) == ("any-llm", "after")]


@pytest.fixture
def providers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Providers]:
    yield from providers_at_hand(monkeypatch, tmp_path)


@pytest.mark.parametrize("block", AFTER, ids=str)
def test_what_was_printed_before_is_printed_now(block: Block, providers: Providers) -> None:
    providers.serve(block.pair)

    before = said_by(before_of(block.pair))

    assert before.strip()
    assert said_by(block) == before


@pytest.mark.parametrize("name", [before for before, _ in errors_of("any-llm")])
def test_every_error_named_is_one_of_its(name: str) -> None:
    assert issubclass(getattr(any_llm.exceptions, name), Exception)
