"""The schema, as numbered steps that are only ever appended to.

The DDL is data per dialect; everything else in ``storage`` is the same SQL for all of them. Each
step runs in its own transaction, so several processes that start together apply it once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trunkline.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .connection import Connection

_TABLES = {
    "sqlite": "SELECT count(*), coalesce(sum(name = 'schema_version'), 0) FROM sqlite_master"
}

_SCHEMA_1 = {
    "sqlite": (
        """CREATE TABLE event (
          id INTEGER PRIMARY KEY,
          call_id TEXT NOT NULL,
          kind TEXT NOT NULL CHECK (kind IN ('decision','outcome','feedback','admin','constant')),
          at REAL NOT NULL,
          x BLOB,
          body TEXT NOT NULL
        ) STRICT""",
        "CREATE INDEX event_call ON event (call_id)",
        """CREATE TABLE hold (
          call_id TEXT NOT NULL,
          attempt INTEGER NOT NULL CHECK (attempt >= 1),
          state TEXT NOT NULL CHECK (state IN ('reserved','settled','voided','estimated')),
          amount INTEGER NOT NULL CHECK (amount >= 0),
          cost INTEGER NOT NULL DEFAULT 0 CHECK (cost >= 0),
          at REAL NOT NULL,
          expires_at REAL NOT NULL,
          ended_at REAL,
          owner TEXT NOT NULL,
          scopes TEXT NOT NULL,
          blocks TEXT NOT NULL,
          team_id TEXT NOT NULL,
          user_id TEXT NOT NULL,
          tags TEXT NOT NULL,
          provider TEXT NOT NULL,
          model TEXT NOT NULL,
          price_version TEXT NOT NULL,
          offer INTEGER NOT NULL,
          output_cap INTEGER,
          lowered INTEGER NOT NULL,
          unpriced INTEGER NOT NULL,
          prompt_tokens INTEGER NOT NULL DEFAULT 0,
          completion_tokens INTEGER NOT NULL DEFAULT 0,
          cached_tokens INTEGER NOT NULL DEFAULT 0,
          reasoning_tokens INTEGER NOT NULL DEFAULT 0,
          duration_s REAL NOT NULL DEFAULT 0,
          ok INTEGER NOT NULL DEFAULT 0,
          CHECK (state NOT IN ('reserved','voided') OR cost = 0),
          CHECK ((state = 'reserved') = (ended_at IS NULL)),
          PRIMARY KEY (call_id, attempt)
        ) STRICT, WITHOUT ROWID""",
        "CREATE INDEX hold_open ON hold (owner, expires_at) WHERE state = 'reserved'",
        """CREATE TABLE budget (
          scope TEXT NOT NULL,
          per TEXT NOT NULL CHECK (per IN ('day','week','month','total')),
          limit_nanousd INTEGER NOT NULL CHECK (limit_nanousd >= 0),
          tz TEXT NOT NULL,
          hold TEXT NOT NULL,
          on_exceeded TEXT NOT NULL CHECK (on_exceeded IN ('fit','refuse','free')),
          since REAL NOT NULL,
          PRIMARY KEY (scope, per)
        ) STRICT, WITHOUT ROWID""",
        # AUTOINCREMENT: holds keep these ids, so an id of a removed balance never comes back.
        """CREATE TABLE balance (
          id INTEGER PRIMARY KEY AUTOINCREMENT,
          scope TEXT NOT NULL,
          per TEXT NOT NULL CHECK (per IN ('day','week','month','total')),
          period_start REAL NOT NULL,
          period_end REAL,
          spent INTEGER NOT NULL CHECK (spent >= 0),
          held INTEGER NOT NULL CHECK (held >= 0),
          UNIQUE (scope, per, period_start)
        ) STRICT""",
        """CREATE TABLE rollup (
          bucket INTEGER NOT NULL CHECK (bucket % 900 = 0),
          team_id TEXT NOT NULL,
          user_id TEXT NOT NULL,
          provider TEXT NOT NULL,
          model TEXT NOT NULL,
          tags TEXT NOT NULL,
          calls INTEGER NOT NULL,
          attempts INTEGER NOT NULL,
          errors INTEGER NOT NULL,
          prompt_tokens INTEGER NOT NULL,
          completion_tokens INTEGER NOT NULL,
          cached_tokens INTEGER NOT NULL,
          reasoning_tokens INTEGER NOT NULL,
          cost INTEGER NOT NULL CHECK (cost >= 0),
          estimated INTEGER NOT NULL CHECK (estimated BETWEEN 0 AND cost),
          duration_s REAL NOT NULL,
          PRIMARY KEY (bucket, team_id, user_id, provider, model, tags)
        ) STRICT, WITHOUT ROWID""",
        # Touched only when a bucket's row is new; a budget set in mid-period sums over them.
        "CREATE INDEX rollup_team ON rollup (team_id, bucket)",
        "CREATE INDEX rollup_user ON rollup (user_id, bucket)",
        """CREATE TABLE snapshot (
          name TEXT PRIMARY KEY,
          event_id INTEGER NOT NULL,
          version INTEGER NOT NULL,
          state BLOB NOT NULL
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE counter (
          name TEXT PRIMARY KEY,
          value INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID""",
        "INSERT INTO counter (name, value) VALUES ('budgets', 0)",
    ),
}


# A roll-up's key must tell entries apart, and SQLite changes no key in place.
_ROLLUP_2 = """CREATE TABLE rollup_2 (
  bucket INTEGER NOT NULL CHECK (bucket % 900 = 0),
  team_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  tags TEXT NOT NULL,
  entry TEXT NOT NULL,
  calls INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  errors INTEGER NOT NULL,
  prompt_tokens INTEGER NOT NULL,
  completion_tokens INTEGER NOT NULL,
  cached_tokens INTEGER NOT NULL,
  reasoning_tokens INTEGER NOT NULL,
  cost INTEGER NOT NULL CHECK (cost >= 0),
  estimated INTEGER NOT NULL CHECK (estimated BETWEEN 0 AND cost),
  duration_s REAL NOT NULL,
  PRIMARY KEY (bucket, team_id, user_id, provider, model, tags, entry)
) STRICT, WITHOUT ROWID"""
_SCHEMA_2 = {
    "sqlite": (
        "ALTER TABLE hold ADD COLUMN entry TEXT NOT NULL DEFAULT ''",
        _ROLLUP_2,
        """INSERT INTO rollup_2 SELECT bucket, team_id, user_id, provider, model, tags, '', calls,
        attempts, errors, prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens, cost,
        estimated, duration_s FROM rollup""",
        "DROP TABLE rollup",
        "ALTER TABLE rollup_2 RENAME TO rollup",
        "CREATE INDEX rollup_team ON rollup (team_id, bucket)",
        "CREATE INDEX rollup_user ON rollup (user_id, bucket)",
    ),
}


def _schema_1(connection: Connection) -> None:
    for statement in _SCHEMA_1[connection.dialect]:
        connection.execute(statement)


def _schema_2(connection: Connection) -> None:
    """Keep the catalogue's id of each model, which model budgets count as well as the name."""
    for statement in _SCHEMA_2[connection.dialect]:
        connection.execute(statement)


MIGRATIONS: tuple[Callable[[Connection], None], ...] = (_schema_1, _schema_2)


def version_of(connection: Connection, path: str, known: int = len(MIGRATIONS)) -> int:
    """Return the schema's number, 0 for an empty database; changes nothing.

    Raises:
        StorageError: A newer trunkline wrote it, or another program did.
    """
    tables, versioned = connection.execute(_TABLES[connection.dialect]).fetchone()
    if not versioned:
        if tables:
            raise StorageError(f"{path} is a database of another program; choose another store")
        return 0
    version = connection.execute("SELECT coalesce(max(version), 0) FROM schema_version").fetchone()[
        0
    ]
    if version > known:
        raise StorageError(
            f"the store {path} was written by a newer trunkline (schema {version}, this one knows"
            f" {known}); upgrade trunkline, the file was not touched"
        )
    return int(version)


def migrate(
    connection: Connection,
    path: str,
    migrations: Sequence[Callable[[Connection], None]] = MIGRATIONS,
) -> None:
    """Bring the schema up to date, one transaction per step."""
    while version_of(connection, path, len(migrations)) < len(migrations):
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Read again under the lock: another process may have been faster.
            version = version_of(connection, path, len(migrations))
            if version < len(migrations):
                if version == 0:
                    connection.execute(
                        "CREATE TABLE schema_version (version INTEGER PRIMARY KEY) STRICT"
                    )
                migrations[version](connection)
                connection.execute(
                    "INSERT INTO schema_version (version) VALUES (?)", (version + 1,)
                )
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
