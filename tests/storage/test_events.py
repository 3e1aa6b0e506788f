from __future__ import annotations

from typing import Any

import pytest
from tests.support.books import Books

from trunkline.errors import StorageError
from trunkline.storage import events
from trunkline.storage.learned import load_snapshot, save_snapshot
from trunkline.storage.records import EventRow


def test_rows_come_back_as_written_in_order(books: Books) -> None:
    def write(connection: Any) -> list[int]:
        return [
            events.append(connection, "decision", "a", 1.5, b"\x00\xff", {"p": [0.1, 0.9]}),
            events.append(connection, "outcome", "a", 2.5, None, {"ok": True}),
            events.append(connection, "constant", "", 3.5, None, {"name": "cost_ref", "é": None}),
        ]

    first, second, third = books.write(write)

    assert first < second < third
    assert books.write(lambda c: events.read_after(c, 0, 2)) == [
        EventRow(first, "a", "decision", 1.5, b"\x00\xff", {"p": [0.1, 0.9]}),
        EventRow(second, "a", "outcome", 2.5, None, {"ok": True}),
    ]
    assert [row.id for row in books.write(lambda c: events.read_after(c, second, 9))] == [third]
    assert books.write(events.latest_id) == third


def test_a_row_reads_the_same_to_its_writer_as_to_everybody(books: Books) -> None:
    body = {"arms": ("a", "b"), "u": 0.1 + 0.2, "none": None, "n": 2**62, "text": "é\u2028"}
    first = books.write(lambda c: events.append(c, "decision", "a", 1.5, None, body))

    mine, again = (books.write(lambda c: events.read_after(c, 0, 9)) for _ in range(2))

    assert [row.id for row in mine] == [row.id for row in again] == [first]
    assert again[0].body == {**body, "arms": ["a", "b"]}
    assert {**mine[0].body, "arms": list(mine[0].body["arms"])} == again[0].body


def test_a_row_that_was_rolled_back_is_not_remembered(books: Books) -> None:
    def broken(connection: Any) -> None:
        events.append(connection, "outcome", "lost", 1.0, None, {"lost": True})
        raise LookupError

    books.write(events.latest_id)
    with pytest.raises(LookupError):
        books.write(broken)
    books.database.defer(broken)
    books.write(events.latest_id)
    other = Books(books.database.path)
    other.write(lambda c: events.append(c, "outcome", "a", 1.0, None, {"lost": False}))
    other.close()

    rows = books.write(lambda c: events.read_after(c, 0, 9))

    assert [row.body for row in rows] == [{"lost": False}]


def test_rows_that_nobody_reads_are_not_kept_for_ever(books: Books) -> None:
    def many(connection: Any) -> int:
        for i in range(500):
            events.append(connection, "outcome", "a", 1.0, None, {"i": i})
        return max(len(kept) for kept in connection.cache.values() if isinstance(kept, dict))

    assert books.write(many) <= 64
    rows = books.write(lambda c: events.read_after(c, 0, 500))
    assert [row.body["i"] for row in rows] == list(range(500))


def test_an_empty_log_has_no_newest_row(books: Books) -> None:
    assert books.write(events.latest_id) == 0
    assert books.write(lambda c: events.decision_of(c, "a")) is None
    assert books.write(lambda c: events.outcomes_of(c, "a")) == []


def test_the_log_refuses_an_unknown_kind(books: Books) -> None:
    with pytest.raises(StorageError, match="CHECK"):
        books.write(lambda c: events.append(c, "gossip", "a", 1.0, None, {}))  # type: ignore[arg-type]


def test_an_id_of_a_failed_transaction_is_given_to_the_next_row(books: Books) -> None:
    def fail(connection: Any) -> None:
        events.append(connection, "admin", "", 1.0, None, {})
        raise LookupError

    with pytest.raises(LookupError):
        books.write(fail)

    assert books.write(lambda c: events.append(c, "admin", "", 1.0, None, {})) == 1


@pytest.mark.parametrize(
    ("event_id", "version", "wins"),
    [(11, 1, True), (10, 1, False), (9, 1, False), (5, 2, True), (99, 0, False)],
)
def test_a_snapshot_gives_way_only_to_a_newer_one(
    books: Books, event_id: int, version: int, wins: bool
) -> None:
    books.write(lambda c: save_snapshot(c, "learned", 10, 1, b"old"))

    books.write(lambda c: save_snapshot(c, "learned", event_id, version, b"new"))

    kept = books.write(lambda c: load_snapshot(c, "learned"))
    assert kept == ((event_id, version, b"new") if wins else (10, 1, b"old"))


def test_there_is_no_snapshot_of_an_unknown_name(books: Books) -> None:
    assert books.write(lambda c: load_snapshot(c, "other")) is None
