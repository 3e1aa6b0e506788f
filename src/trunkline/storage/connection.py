"""What the store's SQL needs of a driver: one method and a place for what it caches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Cursor(Protocol):
    """The result of one statement."""

    @property
    def rowcount(self) -> int:
        """Rows that an UPDATE, INSERT or DELETE touched."""
        ...

    def fetchone(self) -> Any:
        """Return the next row or ``None``."""
        ...

    def fetchall(self) -> list[Any]:
        """Return all rows left."""
        ...

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """One open transaction of the store.

    Attributes:
        dialect: Key of the DDL; the rest of the SQL is the same for every driver.
        cache: What was read from this database; emptied after any rollback, so that nothing
            outlives the transaction that wrote it.
    """

    dialect: str
    cache: dict[str, Any]

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Cursor:
        """Run one literal statement with ``?`` parameters."""
        ...
