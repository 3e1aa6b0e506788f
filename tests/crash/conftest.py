"""Each campaign runs in two sizes: a tenth always, all of it under ``nox -s soak``."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Sized = Callable[[int], int]


@pytest.fixture(
    params=[pytest.param(10, id="tenth"), pytest.param(1, id="full", marks=pytest.mark.soak)]
)
def sized(request: pytest.FixtureRequest) -> Sized:
    """Size of a campaign, told its full size."""
    share: int = request.param
    return lambda full: max(1, full // share)
