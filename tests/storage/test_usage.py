from __future__ import annotations

from typing import Any

import pytest
from tests.support.books import CENT, NOON, UNBILLED, Books, charged, offer, paid

from trunkline.errors import ConfigurationError
from trunkline.storage import usage

WHO: dict[str, Any] = {"team": "t", "user": "u", "tags": {"env": "prod"}}


def summary(books: Books, *by: str, **window: float) -> list[dict[str, Any]]:
    return books.write(lambda c: usage.summary(c, by, **window))


def test_a_summary_sums_everything_that_ended(books: Books) -> None:
    tokens = {"prompt_tokens": 10, "completion_tokens": 5, "cached_tokens": 3}
    books.settle(books.granted(), paid(7, reasoning_tokens=2, duration_s=0.5, **tokens))
    books.settle(books.granted(), charged(4, duration_s=0.25))
    books.settle(books.granted(), UNBILLED)
    books.granted()

    assert summary(books) == [
        {
            "calls": 3,
            "attempts": 3,
            "errors": 2,
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "cached_tokens": 3,
            "reasoning_tokens": 2,
            "cost_nanousd": 11,
            "estimated_nanousd": 4,
            "duration_s": 0.75,
        }
    ]


def test_a_late_settle_corrects_the_bucket_of_the_reserve(books: Books) -> None:
    call_id = books.granted()
    books.settle(call_id, charged(9, prompt_tokens=1, duration_s=1.0))
    books.now += 7200

    books.settle(call_id, paid(4, prompt_tokens=6, duration_s=3.0))

    (row,) = summary(books, until=NOON + 900)
    assert (row["cost_nanousd"], row["estimated_nanousd"], row["errors"]) == (4, 0, 0)
    assert (row["prompt_tokens"], row["duration_s"], row["attempts"]) == (6, 3.0, 1)
    assert summary(books, since=NOON + 900) == []


def test_a_summary_groups_by_what_is_asked_dearest_first(books: Books) -> None:
    books.settle(books.granted(**WHO), paid(5))
    books.settle(books.granted(offer("n", provider="q"), team="t"), paid(9))
    books.settle(books.granted(), paid(1))

    by_team = [(row["team"], row["calls"], row["cost_nanousd"]) for row in summary(books, "team")]
    assert by_team == [("t", 2, 14), (None, 1, 1)]
    pairs = [(row["provider"], row["model"]) for row in summary(books, "provider", "model")]
    assert pairs == [("q", "n"), ("p", "m")]
    tags = {row["tag:env"]: row["cost_nanousd"] for row in summary(books, "tag:env")}
    assert tags == {"prod": 5, None: 10}
    assert [row["user"] for row in summary(books, "user")] == [None, "u"]


@pytest.mark.parametrize("by", ["planet", "tag:", "cost; DROP TABLE hold"])
def test_an_unknown_grouping_is_refused_by_name(books: Books, by: str) -> None:
    with pytest.raises(ConfigurationError, match="by="):
        summary(books, by)


def test_records_are_attempts_newest_first(books: Books) -> None:
    first = books.granted(**WHO)
    books.settle(first, paid(5, prompt_tokens=3, duration_s=0.5))
    books.now += 60
    second = books.granted()
    books.settle(second, charged(4))
    books.granted()

    rows = books.write(usage.records)

    assert [row.call_id for row in rows] == [second, first]
    assert rows[1] == usage.UsageRecord(
        call_id=first,
        attempt=1,
        at=NOON,
        team="t",
        user="u",
        tags={"env": "prod"},
        provider="p",
        model="m",
        state="settled",
        ok=True,
        prompt_tokens=3,
        completion_tokens=0,
        cached_tokens=0,
        reasoning_tokens=0,
        cost_nanousd=5,
        held_nanousd=CENT,
        duration_s=0.5,
        ended_at=NOON,
    )


def test_records_are_filtered_and_limited(books: Books) -> None:
    for user in ("bo", "jo", "bo"):
        books.settle(books.granted(user=user, team="t"))
        books.now += 60

    def users(**options: Any) -> list[str | None]:
        return [row.user for row in books.write(lambda c: usage.records(c, **options))]

    assert users(limit=2) == ["bo", "jo"]
    assert users(filters={"user": "bo", "team": "t", "state": "settled"}) == ["bo", "bo"]
    assert users(since=NOON + 60, until=NOON + 120) == ["jo"]
    with pytest.raises(ConfigurationError, match="planet"):
        users(filters={"planet": "earth"})


def test_counters_count(books: Books) -> None:
    books.write(lambda c: usage.count(c, "refused:budget"))
    books.write(lambda c: usage.count(c, "refused:budget", 2))
    books.budget("all", CENT)

    assert books.write(usage.counters) == {"refused:budget": 3}
