"""Plain rows as HTML for notebooks: escaped, styled inline, without script or outside address.

Decides the looks and that no value is ever markup. Colours are left to the page, so that dark
notebooks stay readable.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from .text import is_number, plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_ROWS = 60  # a notebook cell is for looking; to_pandas and to_csv have the rest

_BORDER = "1px solid rgba(128,128,128,.35)"
_CARD = f"border:{_BORDER};border-radius:6px;padding:.6em .9em;display:inline-block;max-width:100%"
_TABLE = "border-collapse:collapse;font-size:.9em"
_CELL = f"border-bottom:{_BORDER};padding:.2em .7em;text-align:"
_MUTED = "opacity:.7;font-size:.85em"


def escaped(value: object) -> str:
    """Write a value as ``plain`` does and make it text for HTML, in bodies and attributes."""
    return escape(plain(value), quote=True)


def html_table(
    columns: Sequence[str], rows: Sequence[Mapping[str, object]], *, max_rows: int = MAX_ROWS
) -> str:
    """Render rows under their column names; says how many it left out."""
    head = "".join(_cell("th", column, is_right=False) for column in columns)
    body = "".join(_row(columns, row) for row in rows[:max_rows])
    more = len(rows) - max_rows
    note = f'<div style="{_MUTED}">{more} more rows</div>' if more > 0 else ""
    return (
        f'<table style="{_TABLE}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}'
    )


def html_card(
    title: str,
    pairs: Sequence[tuple[str, object]],
    columns: Sequence[str] = (),
    rows: Sequence[Mapping[str, object]] = (),
) -> str:
    """Render a title, its facts and a table of details; facts of ``None`` are left out."""
    facts = "".join(
        f"<tr>{_cell('th', name, is_right=False)}{_cell('td', value, is_right=False)}</tr>"
        for name, value in pairs
        if value is not None
    )
    details = html_table(columns, rows) if rows else ""
    return (
        f'<div style="{_CARD}"><div style="font-weight:600">{escaped(title)}</div>'
        f'<table style="{_TABLE}"><tbody>{facts}</tbody></table>{details}</div>'
    )


def _row(columns: Sequence[str], row: Mapping[str, object]) -> str:
    values = (row.get(column) for column in columns)
    return f"<tr>{''.join(_cell('td', value, is_right=is_number(value)) for value in values)}</tr>"


def _cell(tag: str, value: object, *, is_right: bool) -> str:
    align = "right" if is_right else "left"
    return f'<{tag} style="{_CELL}{align}">{escaped(value)}</{tag}>'
