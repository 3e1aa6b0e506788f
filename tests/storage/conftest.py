from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.books import Books

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def books(store_path: str) -> Iterator[Books]:
    books = Books(store_path)
    yield books
    books.close()
