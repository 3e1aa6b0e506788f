"""When a budget's period begins and ends, in the budget's own time zone.

A day begins at local midnight: where a clock change skips it, at the first instant of the day;
where it comes twice, at the first. Weeks begin on Monday (ISO 8601).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from trunkline.errors import ConfigurationError

if TYPE_CHECKING:
    from .budgets import Per

PERIODS: tuple[Per, ...] = ("day", "week", "month", "total")


@lru_cache(maxsize=64)
def zone(name: str) -> tzinfo:
    """Return a time zone by its IANA name.

    Raises:
        ConfigurationError: There is none of that name on this machine.
    """
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise ConfigurationError(
            f'tz={name!r} is no time zone known here; write one like "Europe/Berlin"'
        ) from None


def period_of(per: Per, tz: str, now: float) -> tuple[float, float | None]:
    """Return the period around ``now`` as (start, end), UTC epoch seconds; a total has no end."""
    if per == "total":
        return 0.0, None
    local = zone(tz)
    first = _first_day(per, datetime.fromtimestamp(now, local).date())
    start, end = _midnight(first, local), _midnight(_next(per, first), local)
    if (
        now >= end
    ):  # a clock set back over midnight: the old day's last hour comes after the new day
        first = _next(per, first)
        start, end = end, _midnight(_next(per, first), local)
    return start, end


def period_start(per: Per, tz: str, now: float) -> float:
    """Return when the period around ``now`` began; 0 for a total."""
    return period_of(per, tz, now)[0]


def period_end(per: Per, tz: str, now: float) -> float | None:
    """Return when the period around ``now`` ends; ``None`` for a total."""
    return period_of(per, tz, now)[1]


def _first_day(per: Per, day: date) -> date:
    if per == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if per == "month" else day


def _next(per: Per, first: date) -> date:
    if per == "month":
        return (first + timedelta(days=31)).replace(day=1)
    return first + timedelta(days=7 if per == "week" else 1)


def _midnight(day: date, local: tzinfo) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=local).timestamp()
