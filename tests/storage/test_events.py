from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from trunkline.errors import StorageError
from trunkline.storage import events
from trunkline.storage.learned import load_snapshot, save_snapshot
from trunkline.storage.records import EventRow

if TYPE_CHECKING:
    from tests.support.books import Books


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
