from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.errors import ConfigurationError
from trunkline.governance.periods import PERIODS, period_end, period_of, period_start


def instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


# (per, time zone, now, start, end), all instants with their offset from UTC.
TABLE = [
    ("day", "UTC", "2026-03-10T00+00", "2026-03-10T00+00", "2026-03-11T00+00"),
    ("day", "UTC", "2026-03-09T23:59:59+00", "2026-03-09T00+00", "2026-03-10T00+00"),
    # Clocks go forward: a day of 23 hours; and back: one of 25.
    ("day", "Europe/Berlin", "2026-03-29T12+02", "2026-03-29T00+01", "2026-03-30T00+02"),
    ("day", "Europe/Berlin", "2026-10-25T12+01", "2026-10-25T00+02", "2026-10-26T00+01"),
    ("day", "Europe/Berlin", "2026-10-25T02:30+02", "2026-10-25T00+02", "2026-10-26T00+01"),
    ("day", "Europe/Berlin", "2026-10-25T02:30+01", "2026-10-25T00+02", "2026-10-26T00+01"),
    # Midnight skipped (Beirut), and there twice (Havana).
    ("day", "Asia/Beirut", "2026-03-29T12+03", "2026-03-29T01+03", "2026-03-30T00+03"),
    ("day", "Asia/Beirut", "2026-03-28T12+02", "2026-03-28T00+02", "2026-03-29T01+03"),
    ("day", "America/Havana", "2026-11-01T00:30-05", "2026-11-01T00-04", "2026-11-02T00-05"),
    # Clocks went back over midnight: the old day's last hour came after the new day began.
    ("day", "America/St_Johns", "2006-10-29T01+00", "2006-10-28T02:30+00", "2006-10-29T02:30+00"),
    ("day", "America/St_Johns", "2006-10-29T03+00", "2006-10-29T02:30+00", "2006-10-30T03:30+00"),
    # A day that Samoa never had.
    ("day", "Pacific/Apia", "2011-12-29T23:59-10", "2011-12-29T00-10", "2011-12-31T00+14"),
    ("day", "Pacific/Kiritimati", "2026-01-01T00+14", "2026-01-01T00+14", "2026-01-02T00+14"),
    ("day", "Etc/GMT+12", "2025-12-31T23:59-12", "2025-12-31T00-12", "2026-01-01T00-12"),
    ("week", "UTC", "2026-01-01T12+00", "2025-12-29T00+00", "2026-01-05T00+00"),
    ("week", "UTC", "2026-01-04T23:59+00", "2025-12-29T00+00", "2026-01-05T00+00"),
    ("week", "UTC", "2026-01-05T00+00", "2026-01-05T00+00", "2026-01-12T00+00"),
    ("week", "America/New_York", "2026-03-08T23-04", "2026-03-02T00-05", "2026-03-09T00-04"),
    ("month", "UTC", "2026-01-31T23:59+00", "2026-01-01T00+00", "2026-02-01T00+00"),
    ("month", "UTC", "2028-02-29T12+00", "2028-02-01T00+00", "2028-03-01T00+00"),
    ("month", "UTC", "2026-02-28T23+00", "2026-02-01T00+00", "2026-03-01T00+00"),
    ("month", "UTC", "2025-12-31T23:59+00", "2025-12-01T00+00", "2026-01-01T00+00"),
    ("month", "Pacific/Kiritimati", "2025-12-31T10+00", "2026-01-01T00+14", "2026-02-01T00+14"),
    ("month", "America/New_York", "2026-03-31T23:59-04", "2026-03-01T00-05", "2026-04-01T00-04"),
]  # fmt: skip


@pytest.mark.parametrize(("per", "tz", "now", "start", "end"), TABLE)
def test_T2_a_period_is_local_calendar_time(
    per: Any, tz: str, now: str, start: str, end: str
) -> None:
    found = period_of(per, tz, instant(now))

    assert found == (instant(start), instant(end))


def test_a_total_never_ends() -> None:
    assert period_start("total", "UTC", 1e9) == 0.0
    assert period_end("total", "UTC", 1e9) is None


@given(
    per=st.sampled_from([per for per in PERIODS if per != "total"]),
    tz=st.sampled_from(
        [
            *("UTC", "Europe/Berlin", "America/Havana", "Asia/Beirut", "America/St_Johns"),
            *("Pacific/Apia", "Africa/Cairo", "Australia/Lord_Howe", "America/Sao_Paulo"),
        ]
    ),
    now=st.floats(min_value=0, max_value=4e9),
)
def test_periods_follow_each_other_without_gap_or_overlap(per: Any, tz: str, now: float) -> None:
    start, end = period_of(per, tz, now)

    assert end is not None
    assert start <= now < end
    assert period_start(per, tz, end) == end


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc/passwd", "Europe"])
def test_an_unknown_time_zone_is_refused_by_name(name: str) -> None:
    with pytest.raises(ConfigurationError, match="tz="):
        period_of("day", name, 0.0)
