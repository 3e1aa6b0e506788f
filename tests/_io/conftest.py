"""One fixture: the way a test runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.hands import WAYS, Hands

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=WAYS)
def hands(request: pytest.FixtureRequest) -> Iterator[Hands]:
    """The three ways to run, one after the other."""
    hands = Hands(request.param)
    yield hands
    hands.pool.close()
