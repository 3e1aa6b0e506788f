from __future__ import annotations

import multiprocessing
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from tests.support.books import NOON, Books

from trunkline.errors import StorageError
from trunkline.storage import _sqlite, migrations
from trunkline.storage.database import Busy, Database

RELEASED = list(range(1, len(migrations.MIGRATIONS) + 1))


def open_one(path: str) -> int:
    """Open the store as a process of its own would; returns how often it was busy."""
    database, tries = Database(path), 0
    while True:
        try:
            database.write(lambda c: c.execute("SELECT 1"))
        except Busy:
            tries += 1
        else:
            database.close()
            return tries


def connect(path: str) -> _sqlite.SqliteConnection:
    return _sqlite.connect(path, durability="normal", accept=lambda _: None)


def numbers(path: str) -> list[int]:
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT version FROM schema_version ORDER BY version").fetchall()
    connection.close()
    return [row[0] for row in rows]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_D5_several_processes_that_start_together_migrate_once(
    store_path: str, method: Any
) -> None:
    with multiprocessing.get_context(method).Pool(4) as pool:
        pool.map(open_one, [store_path] * 4, chunksize=1)
        pool.close()
        pool.join()

    assert numbers(store_path) == RELEASED


def test_D5_an_older_schema_gets_the_steps_it_lacks(store_path: str) -> None:
    open_one(store_path)
    connection = connect(store_path)
    steps = (*migrations.MIGRATIONS, lambda c: c.execute("CREATE TABLE later (a INTEGER) STRICT"))

    migrations.migrate(connection, store_path, steps)
    migrations.migrate(connection, store_path, steps)

    assert connection.execute("SELECT count(*) FROM later").fetchone() == (0,)
    connection.close()
    assert numbers(store_path) == [*RELEASED, len(RELEASED) + 1]


def test_D5_what_the_first_schema_counted_is_counted_after_it(
    store_path: str,
) -> None:
    connection = connect(store_path)
    migrations.migrate(connection, store_path, migrations.MIGRATIONS[:1])
    connection.execute(
        "INSERT INTO hold (call_id, attempt, state, amount, cost, at, expires_at, ended_at, owner,"
        " scopes, blocks, team_id, user_id, tags, provider, model, price_version, offer, lowered,"
        " unpriced, ok) VALUES ('c', 1, 'settled', 9, 7, ?, 0, 0, 'o', '', '[]', 't', '', '{}',"
        " 'p', 'm', 'v', 0, 0, 0, 1)",
        (NOON,),
    )
    connection.execute(
        "INSERT INTO rollup VALUES (?, 't', '', 'p', 'm', '{}', 1, 1, 0, 0, 0, 0, 0, 7, 0, 0)",
        (NOON,),
    )
    connection.close()
    books = Books(store_path)

    books.budget("model:p/M", 10)
    books.budget("team:t", 10)

    assert books.figures("model:p/m") == books.figures("team:t") == (7, 0)
    assert [found for found in books.database.check() if "log" not in found] == []
    books.close()


def test_D5_a_step_that_another_process_made_meanwhile_is_not_made_again(store_path: str) -> None:
    ours, theirs = connect(store_path), connect(store_path)

    class Late:
        """Reads an empty schema, and lets the others migrate before its transaction begins."""

        dialect = "sqlite"

        def execute(self, sql: str, parameters: Any = ()) -> Any:
            if sql == "BEGIN IMMEDIATE":
                migrations.migrate(theirs, store_path)
            return ours.execute(sql, parameters)

    migrations.migrate(Late(), store_path)  # type: ignore[arg-type]

    ours.close()
    theirs.close()
    assert numbers(store_path) == RELEASED


def test_D5_a_step_that_fails_leaves_the_schema_as_it_was(store_path: str) -> None:
    open_one(store_path)
    connection = connect(store_path)

    def half(c: Any) -> None:
        c.execute("CREATE TABLE later (a INTEGER) STRICT")
        raise LookupError

    with pytest.raises(LookupError):
        migrations.migrate(connection, store_path, (*migrations.MIGRATIONS, half))

    tables = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'later'")
    assert tables.fetchone() == (0,)
    connection.close()
    assert numbers(store_path) == RELEASED


def test_D6_a_newer_schema_is_refused_and_not_touched(store_path: str) -> None:
    open_one(store_path)
    with sqlite3.connect(store_path) as connection:
        connection.execute("INSERT INTO schema_version VALUES (99)")
        connection.execute("PRAGMA journal_mode=DELETE")
    connection.close()
    before = Path(store_path).read_bytes()
    database = Database(store_path)

    for _ in range(2):
        with pytest.raises(StorageError, match=r"newer trunkline \(schema 99"):
            database.write(lambda _: None)

    assert Path(store_path).read_bytes() == before


def test_another_programs_database_is_refused_and_not_touched(store_path: str) -> None:
    with sqlite3.connect(store_path) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    connection.close()
    before = Path(store_path).read_bytes()

    with pytest.raises(StorageError, match="another program"):
        Database(store_path).write(lambda _: None)

    assert Path(store_path).read_bytes() == before


def test_an_empty_file_is_a_new_store(store_path: str) -> None:
    Path(store_path).touch()

    open_one(store_path)

    assert numbers(store_path) == RELEASED


def test_every_table_is_strict(books: Books) -> None:
    def lenient(connection: Any) -> list[Any]:
        rows = connection.execute(
            "SELECT name FROM pragma_table_list WHERE strict = 0 AND name NOT LIKE 'sqlite%'"
        )
        return list(rows.fetchall())

    assert books.write(lenient) == []
