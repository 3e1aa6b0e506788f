"""Plain values as one line of text, plain rows as a text table.

Decides how a value is written and that nothing in it can break a line, a terminal or an encoding.
Does not decide which values are shown; that is the record's business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from decimal import Decimal
from typing import cast

MAX_CELL = 200  # characters; a model name or a reason is shorter, a prompt does not belong here


def plain(value: object) -> str:
    """Write a value on one line: exact for money, four digits for floats, nothing for ``None``."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, float):
        return f"{value:.4g}"
    return _clip(visible(_joined(value)))


def visible(text: str) -> str:
    """Make every character harmless and encodable.

    Line breaks become blanks; other characters that do not print (terminal escapes, lone
    surrogates, bidirectional overrides) are written as Python would escape them.
    """
    if text.isprintable():
        return text
    return "".join(_shown(char) for char in text)


def line(name: str, *parts: object) -> str:
    """Write the one-line form of a record: ``<Name part part>``, empty parts left out."""
    return f"<{' '.join([name, *filter(None, map(plain, parts))])}>"


def is_number(value: object) -> bool:
    """Whether a cell reads best aligned to the right."""
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def text_table(columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> str:
    """Align rows under their column names; numbers to the right."""
    cells = [[plain(row.get(column)) for column in columns] for row in rows]
    heads = [plain(column) for column in columns]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    right = [any(is_number(row.get(column)) for row in rows) for column in columns]
    ruler = ["-" * width for width in widths]
    return "\n".join(_aligned(row, widths, right) for row in [heads, ruler, *cells])


def text_card(
    title: str,
    pairs: Sequence[tuple[str, object]],
    columns: Sequence[str] = (),
    rows: Sequence[Mapping[str, object]] = (),
) -> str:
    """Write a title, its facts one a line, and a table of details; ``None`` is left out."""
    facts = [(plain(name), plain(value)) for name, value in pairs if value is not None]
    width = max((len(name) for name, _ in facts), default=0)
    lines = [plain(title), *(f"  {name.ljust(width)}  {value}" for name, value in facts)]
    if rows:
        lines += ["", text_table(columns, rows)]
    return "\n".join(lines)


def _joined(value: object) -> str:
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value)
        return ", ".join(f"{plain(key)}={plain(item)}" for key, item in pairs.items())
    if isinstance(value, Sequence | Set) and not isinstance(value, str | bytes | bytearray):
        return ", ".join(plain(item) for item in cast("Sequence[object]", value))
    return str(value)


def _shown(char: str) -> str:
    if char.isprintable():
        return char
    return " " if char.isspace() else char.encode("unicode_escape").decode("ascii")


def _clip(text: str) -> str:
    return text if len(text) <= MAX_CELL else f"{text[: MAX_CELL - 1]}…"


def _aligned(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = (
        cell.rjust(width) if is_right else cell.ljust(width)
        for cell, width, is_right in zip(cells, widths, right, strict=True)
    )
    return "  ".join(padded).rstrip()
