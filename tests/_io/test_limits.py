"""Timeouts as arguments, and what is left of them."""

from __future__ import annotations

from typing import Any

import httpx
import httpx2
import pytest

from trunkline._io.blocking import run_to_completion
from trunkline._io.limits import LimitPassedError, Limits, timeout_of
from trunkline._io.protocol import Timeout
from trunkline.errors import ConfigurationError


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, Timeout(None, None, None)),
        (2, Timeout(2.0, 2.0, 2.0)),
        (30.0, Timeout(5.0, 30.0, 30.0)),
        (Timeout(1, 2, 3), Timeout(1, 2, 3)),
        (httpx.Timeout(9, connect=1), Timeout(1.0, 9.0, 9.0)),
        (httpx2.Timeout(None, read=4), Timeout(None, 4.0, None)),
    ],
)
def test_a_timeout_argument_is_read(value: Any, expected: Timeout) -> None:
    assert timeout_of(value) == expected


def test_left_out_it_is_ten_minutes_and_five_seconds_to_connect() -> None:
    assert timeout_of() == Timeout(5.0, 600.0, 600.0)


@pytest.mark.parametrize("value", [0, -1, float("nan"), True, "30", object(), httpx.Timeout(0)])
def test_a_bad_timeout_is_refused_by_name(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="timeout must be"):
        timeout_of(value)


def limits(deadline: float | None, now: float = 100.0) -> Limits:
    return Limits(lambda: now, deadline, 5.0, 60.0, 60.0)


@pytest.mark.parametrize(
    ("deadline", "limit_s", "left_s"),
    [
        (None, None, None),
        (None, 3.0, 3.0),
        (102.0, None, 2.0),
        (102.0, 3.0, 2.0),
        (109.0, 3.0, 3.0),
    ],
)
def test_the_nearer_limit_counts(
    deadline: float | None, limit_s: float | None, left_s: float | None
) -> None:
    assert limits(deadline).left(limit_s) == left_s


@pytest.mark.parametrize(("deadline", "limit_s"), [(100.0, None), (99.0, 3.0), (None, 0.0)])
def test_nothing_left_raises(deadline: float | None, limit_s: float | None) -> None:
    with pytest.raises(LimitPassedError):
        limits(deadline).left(limit_s)


def test_a_coroutine_that_suspends_is_a_mistake() -> None:
    class Suspends:
        def __await__(self) -> Any:
            yield

    async def main() -> None:
        await Suspends()

    with pytest.raises(RuntimeError, match="suspended"):
        run_to_completion(main())
