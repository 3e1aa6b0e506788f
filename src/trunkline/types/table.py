"""``Table``: what every query returns, a frozen sequence of records that goes where you work.

Decides how records become columns and how a table leaves us (CSV, JSON lines, data frames). Money
stays exact on every way out: ``Decimal`` in frames, its digits in text.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

from pydantic_core import to_json

from trunkline.display.html import html_table
from trunkline.display.text import line, plain, text_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Record = TypeVar("Record", covariant=True)


class Table(Sequence[Record], Generic[Record]):
    """An immutable sequence of records (dataclasses or mappings) under named columns.

    Args:
        records: The rows.
        columns: Their names in order; by default those of the records, in order of appearance.
            Needed where there may be no row.
    """

    __slots__ = ("_columns", "_records")

    def __init__(self, records: Iterable[Record] = (), *, columns: Sequence[str] = ()) -> None:
        self._records = tuple(records)
        self._columns = tuple(columns) or _columns_of(self._records)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return self._columns

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return one dict per row, values as they are."""
        return [{name: row.get(name) for name in self._columns} for row in self._rows()]

    def to_csv(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return the table as CSV with a header; also write it to ``path`` (mode 0600)."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self._columns)
        writer.writerows([_csv_cell(value) for value in row.values()] for row in self.to_dicts())
        return _written(out.getvalue(), path)

    def to_jsonl(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return one JSON object per line, amounts as strings; also write it to ``path``."""
        return _written("".join(f"{_json(row)}\n" for row in self.to_dicts()), path)

    def to_text(self) -> str:
        """Return the table aligned for a terminal."""
        if not self._columns:
            return "no rows"
        return text_table(self._columns, self._shown())

    def to_pandas(self) -> Any:
        """Return a ``pandas.DataFrame``; amounts are an object column of ``Decimal``."""
        return _library("pandas", "to_pandas").DataFrame(
            self.to_dicts(), columns=list(self._columns)
        )

    def to_polars(self) -> Any:
        """Return a ``polars.DataFrame``; amounts are a ``Decimal`` column."""
        return _library("polars", "to_polars").DataFrame(self._by_column(), strict=False)

    def to_arrow(self) -> Any:
        """Return a ``pyarrow.Table``; amounts are a ``decimal128`` column."""
        return _library("pyarrow", "to_arrow").table(self._by_column())

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Table[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | Table[Record]:
        if isinstance(index, slice):
            return Table(self._records[index], columns=self._columns)
        return self._records[index]

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Table):
            return NotImplemented
        theirs = cast("Table[object]", other)
        return self._columns == theirs._columns and self._records == theirs._records

    __hash__ = None  # type: ignore[assignment]  # its rows may be dicts

    def __repr__(self) -> str:
        count = f"{len(self)} row{'s' * (len(self) != 1)}"
        return line("Table", f"{count}:" if self._columns else count, self._columns)

    def _repr_html_(self) -> str:
        if not self._columns:
            return "<em>no rows</em>"
        return html_table(self._columns, self._shown())

    def _rows(self) -> list[Mapping[str, Any]]:
        return [_as_mapping(record) for record in self._records]

    def _shown(self) -> list[Mapping[str, Any]]:
        """Return the rows for people's eyes: instants as dates, not as epoch seconds."""
        instants = [name for name in self._columns if name == "timestamp" or name.endswith("_at")]
        if not instants:
            return self._rows()
        return [
            {**row, **{name: _dated(row.get(name)) for name in instants}} for row in self._rows()
        ]

    def _by_column(self) -> dict[str, list[Any]]:
        rows = self._rows()
        return {name: [row.get(name) for row in rows] for name in self._columns}


def _as_mapping(record: object) -> Mapping[str, Any]:
    if isinstance(record, Mapping):
        return cast("Mapping[str, Any]", record)
    if is_dataclass(record):
        # Not asdict: that copies deep and turns nested records into dicts.
        return {field.name: getattr(record, field.name) for field in fields(record)}
    raise TypeError(f"a Table holds dataclasses or mappings, not {type(record).__name__}")


def _dated(value: object) -> object:
    if not isinstance(value, float):
        return value
    return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _columns_of(records: Iterable[object]) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for record in records:
        names.update(dict.fromkeys(_as_mapping(record)))
    return tuple(names)


def _csv_cell(value: Any) -> object:
    # Exact, where plain() rounds and clips for people; csv writes a float so that it reads back.
    if value is None or isinstance(value, str | int | float):
        return value
    return plain(value) if isinstance(value, Decimal) else _json(value)


def _json(value: Any) -> str:
    return to_json(value, inf_nan_mode="null", fallback=_jsonable).decode()


def _jsonable(value: Any) -> Any:
    return dict(cast("Mapping[str, Any]", value)) if isinstance(value, Mapping) else str(value)


def _written(text: str, path: str | os.PathLike[str] | None) -> str:
    if path is not None:
        # Usage tells who did what: for the owner's eyes, whatever the umask.
        with open(path, "w", encoding="utf-8", newline="", opener=_private) as file:
            file.write(text)
    return text


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _library(name: str, method: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise  # installed, but broken: its own words are the useful ones
        raise ModuleNotFoundError(
            f"Table.{method}() needs {name}: python -m pip install {name}", name=name
        ) from None
